package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// A linked maps each package of this module, by its path relative to the module
// ("" is the module's root), to the full import paths of all it links.
type linked map[string][]string

// violations returns one sentence for each package that no rule covers and for
// each thing that a package links against its rule, sorted.
func violations(rules []rule, pkgs linked) []string {
	var out []string
	for pkg, deps := range pkgs {
		r, ok := covering(rules, pkg)
		if !ok {
			out = append(out, fmt.Sprintf("package %q is covered by no rule: give it one in rules_test.go", pkg))
			continue
		}
		for _, dep := range deps {
			if !r.allows(dep) {
				out = append(out, fmt.Sprintf("%s must not link %s (rule %s: %s)", pkg, dep, r.pkg, r.why))
			}
		}
	}
	slices.Sort(out)
	return out
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
