// Package archtest checks in which direction packages of this module import one another. It
// contains only tests.
//
// The rules are a table in rules_test.go. A rule covers a package and all packages below it
// that have no longer rule of their own, and concerns everything that the package links,
// directly or through others, outside its own tests. Rules for packages that do not exist
// have no effect; a package that no rule covers is an error, so that each new one gets a
// rule.
//
// The depguard rules in .golangci.yml say the same for direct imports and point
// at the line; the test also sees the indirect ones.
package archtest
