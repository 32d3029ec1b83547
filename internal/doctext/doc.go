// Package doctext reads the code in the project's Markdown files, so that tests
// can hold it to what there is: flags, targets, files, names of packages.
//
// It knows as much of Markdown as these files use: fenced blocks, blocks that
// are indented by four spaces, and inline code on one line.
package doctext
