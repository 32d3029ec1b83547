package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
)

var versionCommand = command{
	name:  "version",
	short: "print the versions of kvsim and of what it is made of",
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		asJSON := fs.Bool("json", false, "print JSON")
		return func(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
			if err := noArgs(args); err != nil {
				return err
			}
			v := readVersions()
			if *asJSON {
				return json.NewEncoder(stdout).Encode(v)
			}
			fmt.Fprintf(stdout, "kvsim %s\n%s %s/%s\n", v.Kvsim, v.Go, runtime.GOOS, runtime.GOARCH)
			for _, m := range v.Modules {
				fmt.Fprintln(stdout, m)
			}
			return nil
		}
	},
}

// versions says which versions a world was run with.
type versions struct {
	Kvsim string `json:"kvsim"`
	Go    string `json:"go"`
	// Modules are the modules that influence what a world does, with their versions.
	Modules []string `json:"modules,omitempty"`
}

// deciding lists the modules that influence what a world does.
var deciding = []string{
	"github.com/anishathalye/porcupine",
	"github.com/tetratelabs/wazero",
	"github.com/twmb/franz-go",
	"github.com/twmb/franz-go/pkg/kfake",
	"github.com/twmb/franz-go/pkg/kmsg",
}

// readVersions reads the build information that the go command has put into the program.
func readVersions() versions {
	v := versions{Kvsim: "(unknown)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Kvsim = info.Main.Version
	v.Kvsim = cmp.Or(v.Kvsim, "(devel)")
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && v.Kvsim == "(devel)":
			v.Kvsim += " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Kvsim += " modified"
		}
	}
	for _, m := range info.Deps {
		if slices.Contains(deciding, m.Path) {
			v.Modules = append(v.Modules, m.Path+" "+m.Version)
		}
	}
	return v
}
