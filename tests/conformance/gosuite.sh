# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# gosuite.sh - builds a validation suite that is a Go module: sourced after lib.sh by suite.sh and critest.sh.
#
#     go_suite FOLDER FUNCTION     # FUNCTION builds into $SUITE, in FOLDER, whose go.mod pins the module
#
# Built once per version of the module, in the user's cache; two tests may come at once. Without go, or
# when the Go registry does not answer, the test is skipped and says so.
TOOLCHAIN=1.21.13
FETCH_LIMIT=180

# The suites want Go 1.21. An older one (Debian 12's) takes it from the Go registry as a module, as
# newer ones do by themselves; the files of a module are not executable.
use_new_go() {
    local dir
    [ "$(printf '%s\n' "go$TOOLCHAIN" "$(go env GOVERSION)" | sort -V | head -n 1)" != "go$TOOLCHAIN" ] || return 0
    dir=$(cd / && timeout -k 5 "$FETCH_LIMIT" go mod download -json \
        "golang.org/toolchain@v0.0.1-go$TOOLCHAIN.$(go env GOOS)-$(go env GOARCH)" | jq -r '.Dir // empty')
    [ -d "$dir" ] || return 1
    [ -x "$dir/bin/go" ] || find "$dir/bin" "$dir/pkg/tool" -type f -exec chmod 0755 {} +
    export GOROOT=$dir PATH=$dir/bin:$PATH
}

go_suite() {
    local source version
    source=$(cd "$(dirname "$0")" && pwd)/$1
    command -v go > /dev/null || skip_all "there is no go to build the validation suite with"
    version=$(cat "$source"/go.{mod,sum} | sha256sum)
    SUITE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor/conformance/${version:0:16}
    mkdir -p "$SUITE"
    exec 9> "$SUITE/lock"
    flock 9
    [ -e "$SUITE/complete" ] || (
        cd "$source" || exit 1
        export CGO_ENABLED=0 GOFLAGS='-mod=readonly -trimpath'
        use_new_go && timeout -k 5 "$FETCH_LIMIT" go mod download || exit 77
        "$2" && touch "$SUITE/complete"
    )
    case $? in
    0) exec 9>&- ;;
    77) skip_all "the Go registry does not give what $1/go.mod names, or Go $TOOLCHAIN" ;;
    *) exit 1 ;;
    esac
}
