package archtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A linked maps each package of this module, by its path relative to the module
// ("" is the module's root), to the import paths of all it links, in full.
type linked map[string][]string

// A violation is a package that no rule covers, or something that a package links, or its
// tests import, against its rule.
type violation struct {
	pkg string
	// dep is the full import path, "" if no rule covers pkg.
	dep string
	// text is the whole sentence.
	text string
	// test says that a test imports it.
	test bool
}

func (v violation) String() string { return v.text }

// violations returns what in pkgs is against the rules, sorted.
func violations(rules []rule, pkgs linked) []violation {
	var out []violation
	for pkg, deps := range pkgs {
		r, ok := covering(rules, pkg)
		switch {
		case !ok:
			out = append(out, violation{pkg: pkg, text: fmt.Sprintf("package %q is covered by no rule: give it one in rules_test.go", pkg)})
			continue
		case needsItsOwn(pkg) && r.pkg != pkg:
			out = append(out, violation{pkg: pkg, text: fmt.Sprintf("package %q has no rule of its own: give it one in rules_test.go", pkg)})
		}
		for _, dep := range deps {
			if !r.allows(dep) {
				out = append(out, violation{pkg: pkg, dep: dep, text: fmt.Sprintf("%s must not link %s (rule %s: %s)", pkg, dep, r.pkg, r.why)})
			}
		}
	}
	return sorted(out)
}

// importViolations returns what the packages and their tests import by themselves, and must not.
func importViolations(rules []rule, imports, tests linked) []violation {
	var out []violation
	for i, all := range []linked{imports, tests} {
		for pkg, deps := range all {
			for _, dep := range deps {
				for banned, in := range heavy {
					if under(banned, dep) && !slices.ContainsFunc(in, func(p string) bool { return under(p, pkg) }) {
						text := fmt.Sprintf("%s must not import %s, which is heavy: only %s may", pkg, dep, strings.Join(in, " and "))
						out = append(out, violation{pkg, dep, text, i == 1})
					}
				}
			}
		}
	}
	for pkg, deps := range tests {
		r, _ := covering(rules, pkg)
		for _, dep := range deps {
			own := under(module+"/"+r.pkg, dep)
			if !own && slices.ContainsFunc(r.tests, func(p string) bool { return under(p, dep) }) {
				out = append(out, violation{pkg, dep, fmt.Sprintf("a test of %s must not import %s (rule %s: %s)", pkg, dep, r.pkg, r.why), true})
			}
		}
	}
	return sorted(out)
}

func sorted(all []violation) []violation {
	slices.SortFunc(all, func(a, b violation) int { return cmp.Compare(a.text, b.text) })
	return slices.CompactFunc(all, func(a, b violation) bool { return a == b })
}

// needsItsOwn reports whether a package needs a rule of its own: what lies below an internal
// directory of the store is a leaf, and the rule of the store is too wide for it.
func needsItsOwn(pkg string) bool {
	return strings.HasPrefix(pkg, "kvstore/") && strings.Contains(pkg, "/internal/")
}

// covering returns the rule with the longest path at or above pkg.
func covering(rules []rule, pkg string) (rule, bool) {
	var best rule
	for _, r := range rules {
		if under(r.pkg, pkg) && len(r.pkg) > len(best.pkg) {
			best = r
		}
	}
	return best, best.pkg != ""
}

// allows reports whether a package under r may link dep, a full import path.
func (r rule) allows(dep string) bool {
	if !under(module, dep) {
		return !slices.ContainsFunc(r.foreign, func(p string) bool { return under(p, dep) })
	}
	own := strings.TrimPrefix(strings.TrimPrefix(dep, module), "/")
	if under(r.pkg, own) {
		return true
	}
	covers := func(p string) bool { return under(p, own) }
	return slices.ContainsFunc(r.own, covers) && !slices.ContainsFunc(r.notOwn, covers)
}

// under reports whether pkg is root or a package below it.
func under(root, pkg string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}
