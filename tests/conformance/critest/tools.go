// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools names what go.mod pins: cmd/critest is a test of its own package, whose imports count only when named here.
package tools

import (
	_ "github.com/kubernetes-sigs/cri-tools/pkg/benchmark"
	_ "github.com/kubernetes-sigs/cri-tools/pkg/validate"
)
