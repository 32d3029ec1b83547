package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

var cacheCommand = command{
	name:  "cache",
	short: "show what the exact engine keeps on disk, and how much it may",
	long: `
The exact engine keeps the guests that it built, and their machine code, for later
processes: in the directory kvsim of the user's cache directory, which nobody else may
be able to write to. What was used longest ago is removed when that takes more than the
limit, 2 GiB unless the variable ` + exact.LimitEnv + ` says otherwise: 500MiB, 10GiB.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		clearIt := fs.Bool("clear", false, "remove everything in it first")
		asJSON := fs.Bool("json", false, "print JSON")
		return func(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
			if err := noArgs(args); err != nil {
				return err
			}
			if *clearIt {
				if err := exact.ClearCache(""); err != nil {
					return err
				}
			}
			state, err := exact.ReadCache("")
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(stdout).Encode(state)
			}
			const mib = 1 << 20
			_, err = fmt.Fprintf(stdout, "directory  %s\nlimit      %d MiB\ncode       %d MiB\nmodules    %d MiB\nothers     %d MiB\n",
				state.Dir, state.Limit/mib, state.Code/mib, state.Modules/mib, state.Others/mib)
			return err
		}
	},
}
