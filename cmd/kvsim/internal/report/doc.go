// Package report makes a page of a history and its verdict: one HTML file with everything in it,
// which a browser can open without a network. docs/report.md describes the page and its keys.
//
// Keys, values, names, errors and faults in a history may be any bytes. They reach the page only as
// text. html/template escapes what is in the page, and the script only sets text and draws on
// canvases. The page has a Content-Security-Policy that loads nothing, and allows only scripts that
// it names by their hash.
package report
