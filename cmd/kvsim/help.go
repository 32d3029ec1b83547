package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

const helpIntro = `kvsim breaks a key-value store on Kafka, and judges what its clients saw.

A world is a store with several clients on a cluster of brokers, all in one
program. Its seed decides what the clients do, what goes wrong, and when. Time is
simulated.

usage: kvsim COMMAND [flags] [arguments]

`

const helpExit = `
exit codes:
  0    every guarantee held
  1    a guarantee was violated
  2    inconclusive: too little was done to judge, or a judge gave up
  3    kvsim itself failed
  64   the command line, a plan or a history is wrong
  130  interrupted

Run "kvsim help COMMAND" for its flags.
`

// writeHelp writes the list of commands.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, helpIntro, "commands:\n")
	for _, cmd := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", cmd.name, cmd.short)
	}
	fmt.Fprint(w, helpExit)
}

// help writes the help of one command, or of all.
func help(args []string, stdout io.Writer) error {
	if len(args) == 0 {
		writeHelp(stdout)
		return nil
	}
	cmd, err := findCommand(args[0])
	if err != nil {
		return err
	}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	cmd.flags(new(cli), fs)
	usage := "kvsim " + cmd.name
	fs.VisitAll(func(*flag.Flag) { usage = "kvsim " + cmd.name + " [flags]" })
	if cmd.args != "" {
		usage += " " + cmd.args
	}
	fmt.Fprintf(stdout, "usage: %s\n\n%s.\n", usage, strings.ToUpper(cmd.short[:1])+cmd.short[1:])
	if cmd.long != "" {
		fmt.Fprintf(stdout, "\n%s\n", strings.TrimSpace(cmd.long))
	}
	writeFlags(stdout, fs)
	return nil
}

// writeFlags lists flags with two dashes, as the manual writes them.
func writeFlags(w io.Writer, fs *flag.FlagSet) {
	title := "\nflags:\n"
	fs.VisitAll(func(f *flag.Flag) {
		fmt.Fprint(w, title)
		title = ""
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		value, text := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(w, "  %s%s%s\n        %s", dashes, f.Name, value, text)
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" {
			fmt.Fprintf(w, " (default %s)", f.DefValue)
		}
		fmt.Fprintln(w)
	})
}
