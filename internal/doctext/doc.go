// Package doctext reads the code in the project's Markdown files, so that tests can compare
// it with what exists: flags, targets, files, names of packages.
//
// It knows the Markdown that these files use: fenced blocks, blocks indented by four
// spaces, and inline code on one line.
package doctext
