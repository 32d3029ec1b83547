package main

import (
	"strings"
	"testing"
)

func TestTheRowsOfTheTableAreRead(t *testing.T) {
	rows, err := parseRows(rowsText)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]row{}
	for _, r := range rows {
		byName[r.name] = r
		if r.what == "" {
			t.Errorf("row %s does not say what it is", r.name)
		}
	}
	for name, want := range map[string]row{
		"put":       {unit: "p50-sec", store: "Put/delay=0s/side=store", beside: "Put/delay=0s/side=raw", limit: bound{"<=", 1.15}},
		"memory":    {unit: "live-B/key", store: "Bootstrap/keys=1000000/side=store", number: 116, limit: bound{"<=", 2}},
		"first-put": {unit: "first-put-sec", store: "FirstPut", limit: bound{"<=", 0.05}},
		"get-2": {
			unit: "gets/s", store: "GetCores/side=store/cores=2", beside: "GetCores/side=store/cores=1",
			limit: bound{">=", 1.8}, needs: "spin-2", when: bound{">=", 1.8},
		},
		"map-copy": {unit: "sec/op", store: "Get/side=map-copy", beside: "Get/side=map"},
	} {
		want.name, want.what = name, byName[name].what
		if byName[name] != want {
			t.Errorf("row %+v, want %+v", byName[name], want)
		}
	}
}

func TestAWrongRowIsRefused(t *testing.T) {
	for line, want := range map[string]string{
		"put | ns/op | A | B | <= 1 | ":                           "6 columns",
		"put | ns/op | A | B | < 1 | | what":                      "no limit",
		"put | ns/op | A | B | <= x | | what":                     "no limit",
		"put | ns/op | A | B | <= 1 | spin 2 | what":              "no limit",
		"put | ns/op | A | B | <= 1 | spin-2 >= 1.8 | what":       "no row above it",
		"put | | A | B | <= 1 | | what":                           "a name, a unit and a benchmark",
		"a | ns/op | A | B | | | what\na | s/op | A | | | | what": "second row",
	} {
		if _, err := parseRows(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseRows(%q) = %v, want an error with %q", line, err, want)
		}
	}
}
