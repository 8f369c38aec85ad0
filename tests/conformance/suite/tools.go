// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package suite names one program of the OCI validation suite, so that `go mod tidy` keeps what
// the suite needs in go.mod and go.sum. Nothing compiles this file.
package suite

import (
	_ "github.com/opencontainers/runtime-tools/cmd/runtimetest"
	_ "github.com/opencontainers/runtime-tools/validation/default"
	_ "github.com/opencontainers/runtime-tools/validation/delete"
)
