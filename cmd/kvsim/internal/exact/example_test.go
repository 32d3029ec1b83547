package exact_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

// Build a program of the current module and run it with ten seeds. The same
// seed always gives the same output.
func Example() {
	ctx := context.Background()
	guest, err := exact.Build(ctx, exact.BuildOptions{Package: "./testdata/guest", Progress: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer guest.Close()
	for seed := range uint64(10) {
		result, err := guest.Run(ctx, exact.RunOptions{
			Seed: seed, Args: []string{"bug"}, Stdout: os.Stdout, Stderr: os.Stderr,
			MaxElapsed: time.Hour, // simulated
		})
		var bound *exact.BoundError
		switch {
		case errors.As(err, &bound):
			fmt.Println("seed", seed, "spins in", bound.Where)
		case err != nil:
			fmt.Println("seed", seed, err)
		case result.ExitCode != 0:
			fmt.Println("seed", seed, "found it after", result.Steps, "steps")
		}
	}
}
