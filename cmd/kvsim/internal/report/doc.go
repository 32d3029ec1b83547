// Package report makes a page of a history and its verdict: one HTML file with
// everything in it, that a browser opens without a network. docs/report.md says
// what is on it and which keys it knows.
//
// What comes from a history (keys, values, names, errors, faults) may be any
// bytes. It reaches the page as text only: html/template escapes what is in the
// page, the script sets text and draws on canvases, and a policy in the page
// (Content-Security-Policy) lets no script run but those that are named there
// by their hash, and loads nothing.
package report
