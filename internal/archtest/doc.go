// Package archtest checks in which direction packages of this module import one another. It
// contains only tests.
//
// The rules are a table in rules_test.go. A rule covers a package and all packages below it
// that have no rule of their own, and concerns everything that the package links, directly
// or through others. A rule may also say what tests must not import. Every rule is for a
// package that exists, and a package that no rule covers is an error, so that each new one
// gets a rule.
//
// These rules are the only ones: golangci-lint's depguard repeats none of them.
package archtest
