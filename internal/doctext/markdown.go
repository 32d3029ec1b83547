package doctext

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Code is a piece of code in a Markdown file.
type Code struct {
	// File is the path of the file from the root, with slashes, and Line the
	// number of the piece's first line, from 1.
	File string
	Line int
	// Lang is what follows the fence, such as "go". It is empty for indented blocks and
	// inline code.
	Lang string
	// Inline says that the piece is within a line of text.
	Inline bool
	// Text is the code, with a newline after each line of a block.
	Text string
}

// At returns where a piece is, for error messages.
func (c Code) At() string { return fmt.Sprintf("%s:%d", c.File, c.Line) }

// Shell reports whether the piece may contain command lines: inline code, a block of a
// shell or of a workflow, or one without a language.
func (c Code) Shell() bool {
	return slices.Contains([]string{"", "sh", "bash", "shell", "console", "yaml"}, c.Lang)
}

// left are the Markdown files that describe the past, or that are not part of the
// documentation.
var left = []string{"CHANGELOG.md"}

// Files returns the paths of the Markdown files below root, from root, sorted. Directories
// that begin with a dot, testdata, and what builds leave behind are skipped.
func Files(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "bin", "kvsim-out"}, d.Name())):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(rel, ".md") && !slices.Contains(left, rel):
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for Markdown files below %s: %w", root, err)
	}
	return files, nil
}

// Read returns the code in the Markdown files below root, in the order of the
// files' names.
func Read(root string) ([]Code, error) {
	files, err := Files(root)
	if err != nil {
		return nil, err
	}
	var all []Code
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, fmt.Errorf("read the documentation: %w", err)
		}
		all = append(all, Parse(name, text)...)
	}
	return all, nil
}

// inline matches inline code in single or double backticks.
var inline = regexp.MustCompile("``(.+?)``|`([^`]+)`")

// Parse returns the code in one Markdown file, whose name is put into each
// piece.
func Parse(name string, text []byte) []Code {
	p := parser{file: name, blank: true}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		p.line(n, strings.TrimRight(string(line), "\r\n"))
	}
	p.end()
	return p.out
}

// A parser is in a fenced block, in an indented one, or in text.
type parser struct {
	file   string
	out    []Code
	open   *Code
	fence  string // what ends the open block, "" for an indented one
	indent string // of the fence, which its lines have too
	blank  bool   // the line before was empty, so an indented block may begin
}

func (p *parser) line(n int, line string) {
	trimmed := strings.TrimLeft(line, " ")
	switch {
	case p.open != nil && p.fence != "":
		if strings.TrimRight(trimmed, " ") == p.fence {
			p.end()
			return
		}
		p.open.Text += strings.TrimPrefix(line, p.indent) + "\n"
	case strings.HasPrefix(trimmed, "```"):
		p.end()
		p.fence, p.indent = "```", line[:len(line)-len(trimmed)]
		p.open = &Code{File: p.file, Line: n + 1, Lang: strings.TrimSpace(trimmed[3:])}
	case trimmed == "":
		if p.open != nil {
			p.open.Text += "\n"
		}
		p.blank = true
		return
	case strings.HasPrefix(line, "    ") && (p.open != nil || p.blank):
		if p.open == nil {
			p.open = &Code{File: p.file, Line: n}
		}
		p.open.Text += line[4:] + "\n"
	default:
		p.end()
		for _, m := range inline.FindAllStringSubmatch(line, -1) {
			p.out = append(p.out, Code{File: p.file, Line: n, Inline: true, Text: strings.TrimSpace(m[1] + m[2])})
		}
	}
	p.blank = false
}

// end takes the block that is open, if there is one.
func (p *parser) end() {
	if p.open != nil {
		p.out = append(p.out, *p.open)
	}
	p.open, p.fence, p.indent = nil, "", ""
}
