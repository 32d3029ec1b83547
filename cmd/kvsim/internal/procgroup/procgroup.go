// Package procgroup runs commands that start further processes, such as the go command, so
// that these processes end with the command.
package procgroup

import (
	"context"
	"os/exec"
	"time"
)

// waitDelay is how long processes that a killed command started may hold its output open.
const waitDelay = 5 * time.Second

// Command is like exec.CommandContext, but the end of ctx also kills the processes that the
// command has started. Ctrl-C at the terminal does not reach the command, so the caller has to
// end ctx then.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = waitDelay
	separate(cmd)
	return cmd
}
