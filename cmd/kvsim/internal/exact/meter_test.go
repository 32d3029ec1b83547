package exact

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// Pieces of a module in the binary format.
var (
	typeSection   = []byte{1, 10, 2, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7f, 1, 0x7f} // func(), func(i32, i32) i32
	memorySection = []byte{5, 3, 1, 0, 1}                                      // one page
	globalSection = []byte{6, 6, 1, 0x7f, 1, opI32Const, 0, opEnd}             // one i32
	exportSection = []byte{7, 19, 2, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0, 6, '_', 's', 't', 'a', 'r', 't', 0, 1}
	debugSection  = []byte{0, 13, 11, '.', 'd', 'e', 'b', 'u', 'g', '_', 'i', 'n', 'f', 'o', 9}
)

func importSection() []byte {
	body := []byte{1, byte(len(wasiModule))}
	body = append(body, wasiModule...)
	body = append(body, 10)
	body = append(body, "random_get"...)
	body = append(body, 0, 1)
	return append([]byte{2, byte(len(body))}, body...)
}

// moduleOf makes a module with one function, _start.
func moduleOf(code ...byte) []byte {
	function := append([]byte{byte(len(code))}, code...)
	codeSection := append([]byte{10, byte(len(function) + 1), 1}, function...)
	return slices.Concat(wasmHeader, typeSection, importSection(), []byte{3, 2, 1, 0},
		memorySection, globalSection, exportSection, codeSection, debugSection)
}

// countToTen is a loop that is entered ten times.
var countToTen = []byte{
	1, 1, 0x7f, // one local i32
	opLoop, emptyBlock,
	0x20, 0, opI32Const, 1, 0x6a, 0x22, 0, // i++
	opI32Const, 10, 0x48, 0x0d, 0, // if i < 10 continue
	opEnd, opEnd,
}

func TestMeterCountsLoopEntries(t *testing.T) {
	g, err := Load(t.Context(), moduleOf(countToTen...), LoadOptions{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	result, err := g.Run(t.Context(), RunOptions{})
	if err != nil || result.Steps != 10 {
		t.Errorf("Run = %+v, %v, want 10 steps", result, err)
	}
	if _, err := g.Run(t.Context(), RunOptions{MaxSteps: 9}); !errors.Is(err, ErrTooManySteps) {
		t.Errorf("with 9 steps Run = %v", err)
	}
	if g.Scheduler() != SchedulerStock {
		t.Errorf("Scheduler = %v for a module that does not ask for the schedule", g.Scheduler())
	}
}

// Immediates that look like a loop must be left alone.
func TestMeterFindsLoopsOnly(t *testing.T) {
	step := []byte{0x01, 0x01, 0x01}
	loops := [][]byte{
		{opLoop, emptyBlock},
		{opLoop, 0x80, 0x03}, // with a type index
	}
	others := [][]byte{
		{0x02, emptyBlock},
		{opIf, emptyBlock},
		{0x05},
		{opEnd},
		{0x00},
		{0x01},
		{0x0f},
		{opDrop},
		{0x1b},
		{0x0c, 3},
		{0x0d, 3},
		{opCall, 3},
		{0x11, 3, 3},
		{0x0e, 2, 3, 3, 3},
		{0x1c, 1, 0x7f},
		{0x20, 3},
		{0x22, 0x83, 0x03},
		{opGlobalGet, 3},
		{0x28, 3, 3},
		{0x3e, 0x03, 0x83, 0x03},
		{0x3f, 0},
		{0x40, 0},
		{opI32Const, 3},
		{opI64Const, 0x83, 0x83, 0x03},
		{0x43, 3, 3, 3, 3},
		{0x44, 3, 3, 3, 3, 3, 3, 3, 3},
		{0xc4},
		{0x6a},
		{0xd0, 0x70},
		{0xd2, 3},
		{0xfc, 3},
		{0xfc, 10, 3, 3},
		{0xfc, 11, 3},
		{0xfc, 8, 3, 3},
	}
	code, want := []byte{2, 3, 0x7f, 3, 0x7e}, []byte{2, 3, 0x7f, 3, 0x7e} // locals
	for i, op := range others {
		loop := loops[i%len(loops)]
		code = slices.Concat(code, op, loop)
		want = slices.Concat(want, op, loop, step)
	}
	got, err := meterFunction(nil, code, step)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("meterFunction = % x, %v\nwant % x", got, err, want)
	}
}

func TestMeterDropsDebuggingInformationOnly(t *testing.T) {
	m, err := meter(moduleOf(countToTen...))
	if err != nil {
		t.Fatal(err)
	}
	sections, err := parseSections(m.module)
	if err != nil {
		t.Fatal(err)
	}
	var ids []byte
	for _, s := range sections {
		ids = append(ids, s.id)
	}
	if want := []byte{1, 2, 3, 5, 6, 7, 10}; !bytes.Equal(ids, want) {
		t.Errorf("sections %d, want %d", ids, want)
	}
}

func TestMeterRefuses(t *testing.T) {
	good := moduleOf(countToTen...)
	for want, module := range map[string][]byte{
		"no WebAssembly header": []byte("#!/bin/sh"),
		"truncated":             good[:len(good)-40],
		"random_get":            bytes.Replace(good, []byte("random_get"), []byte("random_got"), 1),
		"unknown opcode 0xfd":   moduleOf(0, 0xfd, 0, opEnd), // vector instructions, which Go does not use
		"already exports":       bytes.Replace(good, exportSection, exportOf(fuelExport), 1),
		"no globals":            bytes.Replace(good, globalSection, nil, 1),
	} {
		_, err := meter(module)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("meter = %v, want an error with %q", err, want)
		}
	}
}

func exportOf(name string) []byte {
	body := append([]byte{1, byte(len(name))}, name...)
	body = append(body, 3, 0)
	return append([]byte{7, byte(len(body))}, body...)
}

// FuzzMeter looks for modules that make the rewriting panic, hang or take
// memory out of proportion.
func FuzzMeter(f *testing.F) {
	f.Add(moduleOf(countToTen...))
	f.Add(moduleOf(0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f, opEnd))
	f.Add(moduleOf(0xff, 0xff, 0xff, 0xff, 0x0f, opEnd))
	f.Add(wasmHeader)
	f.Fuzz(func(t *testing.T, module []byte) {
		before := bytes.Clone(module)
		m, err := meter(module)
		if !bytes.Equal(module, before) {
			t.Error("meter changed its input")
		}
		if err != nil {
			return
		}
		if _, err := parseSections(m.module); err != nil {
			t.Errorf("a rewritten module does not parse: %v", err)
		}
	})
}
