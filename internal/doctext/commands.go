package doctext

import (
	"regexp"
	"strings"
)

// A Command is the use of a program in the documentation.
type Command struct {
	// At says where it is.
	At string
	// Args are the words after the program, with their quotes removed. Shell variables are
	// left as they are.
	Args []string
	// Inline says that it is within a line of text, where it need not be complete.
	Inline bool
}

// Commands returns the uses of a program in the pieces that may hold command lines. The
// program is a regular expression for how it is called, such as "kvsim|bin/kvsim"; what is
// in front of it is an environment or another command that runs it. A use has a space and a
// word after the program; following lines that begin with a bracket belong to it, as in a
// synopsis.
func Commands(all []Code, program string) []Command {
	use := regexp.MustCompile(`(^|[\s"'(=/])(?:` + program + `)(["']?) ([a-z$].*)`)
	var out []Command
	for _, c := range all {
		if !c.Shell() {
			continue
		}
		text := continued.ReplaceAllString(c.Text, " $1")
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if comment(line) || c.Lang == "yaml" && strings.Contains(line, "name: ") {
				continue
			}
			for {
				m := use.FindStringSubmatchIndex(line)
				if m == nil {
					break
				}
				before, rest := line[:m[3]]+line[m[4]:m[5]], line[m[6]:]
				if args := words(rest, openQuote(before)); len(args) > 0 && !strings.Contains(args[0], "/") {
					out = append(out, Command{At: c.At(), Inline: c.Inline, Args: args})
				}
				line = rest
			}
		}
	}
	return out
}

func comment(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") }

// continued matches the end of a line whose command continues on the next.
var continued = regexp.MustCompile(`\\\n|\n +(\[)`)

// openQuote returns the quote that is open at the end of a text, 0 if none is.
func openQuote(text string) byte {
	open := byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case c != '"' && c != '\'':
		case open == 0:
			open = c
		case open == c:
			open = 0
		}
	}
	return open
}

// words splits the text after a program into its arguments, up to the end of the command:
// the quote that was open before it, a bracket, a pipe, a redirection, a comment, another
// command.
func words(text string, quote byte) []string {
	var args []string
	word, open := "", false // open: there is a word, if only an empty one
	take := func() {
		if open {
			args = append(args, word)
		}
		word, open = "", false
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote && c != 0:
			take()
			return args
		case c == ' ' || c == '\t':
			take()
		case c == '"' || c == '\'':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				take()
				return args
			}
			word, open = word+text[i+1:i+1+end], true
			i += end + 1
		case strings.IndexByte("><;&`", c) >= 0, !open && (c == '#' || c == '|' || c == ')'),
			c == ')' && !strings.Contains(word, "("):
			take()
			return args
		default:
			word, open = word+string(c), true
		}
	}
	take()
	return args
}
