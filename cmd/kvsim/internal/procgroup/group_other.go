//go:build !unix

package procgroup

import "os/exec"

// separate leaves a command as it is: there are no process groups here.
func separate(*exec.Cmd) {}
