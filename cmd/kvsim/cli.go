package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// The exit codes.
const (
	exitHeld         = 0
	exitViolation    = 1
	exitInconclusive = 2
	exitHarness      = 3
	exitUsage        = 64
	exitInterrupted  = 130
)

// A command is one subcommand. Each is in the file of the same name.
type command struct {
	name string
	// args describes the arguments after the flags, for help.
	args string
	// short is one line for the list, long what help adds to it.
	short, long string
	// cleans says that the command has workers, containers or files to clean up
	// when it is interrupted, and then ends by itself soon. Other commands are
	// abandoned, and end with the process.
	cleans bool
	// flags declares the flags, for the help text and for parsing. It returns
	// what runs the command once they are parsed.
	flags func(c *cli, fs *flag.FlagSet) execFunc
}

// execFunc runs a subcommand. Results go to stdout, everything else to stderr.
type execFunc func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error

// commands returns all subcommands in the order of the help text.
func commands() []command {
	return []command{
		runCommand, listCommand, planCommand, replayCommand, shrinkCommand,
		checkCommand, reportCommand, benchCommand, mutateCommand, execCommand, cacheCommand, versionCommand,
	}
}

// usageError is a mistake on the command line. Its text says what to do.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usageError.
func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// exitError ends the program with an exit code. Everything has been printed already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitOf returns the error that ends the program with the code of a status.
func exitOf(s world.Status) error {
	switch s {
	case world.Held:
		return nil
	case world.Violated:
		return exitError(exitViolation)
	case world.Inconclusive:
		return exitError(exitInconclusive)
	case world.Broken:
	}
	return exitError(exitHarness)
}

// main runs the command line and returns the exit code. It returns soon after ctx has ended.
// A command that has nothing to clean up may then still be reading its input or judging, in
// a goroutine that ends with the process. Whatever it writes then is discarded.
func (c *cli) main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out, diagnostics := &stickyWriter{w: stdout}, &stickyWriter{w: stderr}
	if len(args) == 0 || args[0] != execCommand.name { // what a guest prints is its own
		out.w, diagnostics.w = &printable{w: stdout}, &printable{w: stderr}
	}
	code := make(chan int, 1)
	go func() { code <- c.run(ctx, args, stdin, out, diagnostics) }()
	if len(args) > 0 {
		if cmd, err := findCommand(args[0]); err == nil && cmd.cleans {
			return <-code
		}
	}
	select {
	case code := <-code:
		return code
	case <-ctx.Done():
	}
	// If the command ended by itself at the same moment, its exit code counts.
	select {
	case code := <-code:
		return code
	default:
	}
	out.close()
	diagnostics.close()
	fmt.Fprintln(stderr, "kvsim: interrupted")
	return exitInterrupted
}

// run runs the command line to its end and returns the exit code.
func (c *cli) run(ctx context.Context, args []string, stdin io.Reader, out *stickyWriter, stderr io.Writer) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out.failing = cancel // nobody reads what is still to come
	err := c.dispatch(ctx, args, stdin, out, stderr)
	var usage *usageError
	var exit exitError
	if writeErr := out.failed(); writeErr != nil {
		fmt.Fprintf(stderr, "kvsim: write the results: %v\n", writeErr)
		if errors.As(err, &exit) && exit != exitInterrupted {
			return int(exit)
		}
		return exitHarness
	}
	switch {
	case err == nil:
		return exitHeld
	case errors.As(err, &exit):
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "kvsim: interrupted")
		}
		return int(exit)
	case errors.As(err, &usage):
		help := "kvsim help"
		if usage.command != "" {
			help += " " + usage.command
		}
		fmt.Fprintf(stderr, "kvsim: %v\nRun %q for usage.\n", err, help)
		return exitUsage
	case errors.Is(err, world.ErrPlan):
		fmt.Fprintf(stderr, "kvsim: %v\n", err)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "kvsim: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "kvsim: %v\n", err)
	return exitHarness
}

// dispatch finds the subcommand and parses its flags, which may also come after its
// arguments.
func (c *cli) dispatch(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		writeHelp(stderr)
		return exitError(exitUsage)
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return help(args, stdout)
	case "--version", "-version":
		name = "version"
	}
	cmd, err := findCommand(name)
	if err != nil {
		return err
	}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	exec := cmd.flags(c, fs)
	rest, err := parseFlags(fs, args, cmd.name == "exec")
	switch {
	case errors.Is(err, flag.ErrHelp):
		return help([]string{cmd.name}, stdout)
	case err != nil:
		return &usageError{command: cmd.name, err: fmt.Errorf("%s: %w", cmd.name, err)}
	}
	err = exec(ctx, rest, stdin, stdout, stderr)
	if usage, ok := errors.AsType[*usageError](err); ok && usage.command == "" {
		return &usageError{command: cmd.name, err: fmt.Errorf("%s: %w", cmd.name, usage.err)}
	}
	return err
}

func findCommand(name string) (command, error) {
	var names []string
	for _, cmd := range commands() {
		if cmd.name == name {
			return cmd, nil
		}
		names = append(names, cmd.name)
	}
	return command{}, usagef("there is no command %q: use one of %s", name, strings.Join(names, ", "))
}

// parseFlags parses flags before, between and after the arguments, up to "--". If stop is
// set, everything after the first argument is an argument too.
func parseFlags(fs *flag.FlagSet, args []string, stop bool) ([]string, error) {
	var rest []string
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		consumed := args[:len(args)-len(left)]
		ended := len(consumed) > 0 && consumed[len(consumed)-1] == "--"
		if stop || ended || len(left) == 0 {
			return append(rest, left...), nil
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
}

// noArgs returns an error if there are arguments. It is for commands that take none.
func noArgs(args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// stickyWriter keeps the first error of writing, so that code that prints results need not
// check each line. It is safe for concurrent use.
type stickyWriter struct {
	w io.Writer
	// failing is called with the first error, unless it is nil.
	failing func(error)

	mu  sync.Mutex
	err error
}

// errClosed is the error of writing to a stickyWriter after close.
var errClosed = errors.New("the command was interrupted")

// Write writes unless an earlier write failed.
func (s *stickyWriter) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(data)
	if s.err = err; err != nil && s.failing != nil {
		s.failing(err)
	}
	return n, err
}

// failed returns the first error of writing.
func (s *stickyWriter) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close makes every later write fail. It does not wait for a write that blocks.
func (s *stickyWriter) close() {
	if s.mu.TryLock() {
		s.err = errClosed
		s.mu.Unlock()
	}
}
