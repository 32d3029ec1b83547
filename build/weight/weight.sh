#!/usr/bin/env bash
# Says what a program takes on that keeps bytes in a kvstore and imports nothing
# else of ours, beside one that puts and polls with franz-go alone: packages
# compiled, bytes of the executable, lines of its go.sum. Each is built as a user
# would build it, in a module of its own.
#
#   build/weight/weight.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
go=${GO:-go}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export GOWORK=off GOFLAGS=-mod=mod

# weigh NAME builds and measures the module in $dir/NAME.
weigh() {
  cd "$dir/$1"
  "$go" mod tidy
  "$go" build -trimpath -o program .
  printf 'weight: %-10s %4d packages  %9d bytes  %3d lines of go.sum\n' \
    "$1" "$("$go" list -deps . | wc -l)" "$(wc -c <program)" "$(wc -l <go.sum)"
}

mkdir "$dir/kvstore" "$dir/franz-go"
cat >"$dir/kvstore/go.mod" <<EOF
module example.com/weight

go 1.26.0

require github.com/kvsim/kvsim v0.0.0

replace github.com/kvsim/kvsim => $root
EOF
cat >"$dir/kvstore/main.go" <<'EOF'
package main

import (
	"context"
	"fmt"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

func main() {
	ctx := context.Background()
	client, err := kvstore.NewClient(ctx, "settings", memory.New(), kvstore.WithBrokers("127.0.0.1:9092"))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Println(client.Put(ctx, []byte("a"), []byte("1")))
	fmt.Println(client.Get(ctx, []byte("a")))
}
EOF
cat >"$dir/franz-go/go.mod" <<EOF
module example.com/weight

go 1.26.0

require github.com/twmb/franz-go $(cd "$root" && "$go" list -m -f '{{.Version}}' github.com/twmb/franz-go)
EOF
cat >"$dir/franz-go/main.go" <<'EOF'
package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx := context.Background()
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.ConsumeTopics("settings"))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Println(client.ProduceSync(ctx, &kgo.Record{Topic: "settings", Key: []byte("a"), Value: []byte("1")}))
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { fmt.Println(r) })
}
EOF
weigh kvstore 2> >(grep -v '^go: ' >&2)
# The checks of invariants are for tests: nothing of them may be left.
if "$go" tool nm "$dir/kvstore/program" | grep 'kvstore/internal/invariant'; then
  echo "weight: the program checks the store's invariants, which only a build with -tags kvsim_invariants does" >&2
  exit 1
fi
weigh franz-go 2> >(grep -v '^go: ' >&2)
