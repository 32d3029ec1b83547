// Package procgroup runs commands that start processes of their own, such as the
// go command, so that these end with them.
package procgroup

import (
	"context"
	"os/exec"
	"time"
)

// waitDelay is how long what a killed command started may hold its output open.
const waitDelay = 5 * time.Second

// Command is exec.CommandContext, but for the end of ctx: that kills what the
// command has started too. A key press at the terminal does not reach the
// command, whose caller has to end ctx then.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = waitDelay
	separate(cmd)
	return cmd
}
