package memory

// Lacking returns what storages can be made without, for the tests of other packages.
func Lacking() (what []string) {
	for _, l := range lacking {
		what = append(what, l.what)
	}
	return what
}

// Without returns a storage without a structure of Lacking.
func Without(what string) *Storage {
	for _, l := range lacking {
		if l.what == what {
			return open(l.options())
		}
	}
	panic("there is no structure " + what)
}
