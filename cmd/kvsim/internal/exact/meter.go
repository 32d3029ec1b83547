package exact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The meter makes a guest count its own steps. WebAssembly has no preemption. A busy loop
// could be stopped only by a host call in every iteration, which is slow, or by ending the
// process at some wall time, which is not deterministic. So the module is rewritten once,
// before it is compiled: each loop header counts down a global, and at zero asks the host for
// more. A step is one entry of a loop header. Go compiles every function that calls another
// one into a loop, so recursion is counted too.
//
// The host call is random_get with an address that no Go program passes. Every guest imports
// random_get already; a new import would renumber every function in the module.
const (
	fuelExport  = "kvsim_fuel" // the exported global that counts down
	refillAddr  = 0xffffffff   // the address that marks a call of random_get as a refill
	wasiModule  = "wasi_snapshot_preview1"
	hostModule  = "kvsim"
	i64Type     = 0x7e
	kindGlobal  = 3
	opLoop      = 0x03
	opEnd       = 0x0b
	emptyBlock  = 0x40
	opIf        = 0x04
	opCall      = 0x10
	opDrop      = 0x1a
	opGlobalGet = 0x23
	opGlobalSet = 0x24
	opI32Const  = 0x41
	opI64Const  = 0x42
	opI64Eqz    = 0x50
	opI64Sub    = 0x7d
)

// metered is a rewritten module, with what was learned about it on the way.
type metered struct {
	module []byte
	random bool // the guest asks the host for the schedule
}

// meter rewrites a module so that it counts its steps, and drops its debugging
// information, whose offsets no longer hold (the function names stay).
func meter(module []byte) (metered, error) {
	sections, err := parseSections(module)
	if err != nil {
		return metered{}, fmt.Errorf("%w: %w", ErrNotGuest, err)
	}
	var m metered
	fuel, refill, err := m.inspect(sections)
	if err != nil {
		return metered{}, fmt.Errorf("%w: %w", ErrNotGuest, err)
	}
	kept := sections[:0]
	for _, s := range sections {
		switch s.id {
		case sectionCustom:
			if strings.HasPrefix(s.customName(), ".debug_") {
				continue
			}
		case sectionGlobal:
			s.body = appendEntry(s.body, []byte{i64Type, 1, opI64Const, 1, opEnd})
		case sectionExport:
			entry := append([]byte{byte(len(fuelExport))}, fuelExport...)
			s.body = appendEntry(s.body, binary.AppendUvarint(append(entry, kindGlobal), uint64(fuel)))
		case sectionCode:
			if s.body, err = meterCode(s.body, stepCode(fuel, refill)); err != nil {
				return metered{}, fmt.Errorf("count steps: %w", err)
			}
		}
		kept = append(kept, s)
	}
	m.module = joinSections(kept)
	return m, nil
}

// inspect returns the index that the fuel global will have and the function
// index of random_get.
func (m *metered) inspect(sections []section) (fuel, refill uint32, err error) {
	var found, hasGlobals, hasExports bool
	for _, s := range sections {
		switch s.id {
		case sectionImport:
			functions, globals, err := parseImports(s.body)
			if err != nil {
				return 0, 0, err
			}
			fuel += globals
			for _, f := range functions {
				if f.module == wasiModule && f.name == "random_get" {
					refill, found = f.index, true
				}
				m.random = m.random || f.module == hostModule && f.name == "schedule"
			}
		case sectionGlobal:
			hasGlobals = true
			r := reader{buf: s.body}
			fuel += r.u32()
		case sectionExport:
			hasExports = true
			if strings.Contains(string(s.body), fuelExport) {
				return 0, 0, fmt.Errorf("it already exports %s", fuelExport)
			}
		}
	}
	switch {
	case !found:
		return 0, 0, fmt.Errorf("it does not import %s.random_get", wasiModule)
	case !hasGlobals || !hasExports:
		return 0, 0, errors.New("it has no globals or no exports")
	}
	return fuel, refill, nil
}

// appendEntry adds one entry to a section that is a vector.
func appendEntry(body, entry []byte) []byte {
	r := reader{buf: body}
	n := r.u32()
	grown := binary.AppendUvarint(make([]byte, 0, len(body)+len(entry)+1), uint64(n)+1)
	return append(append(grown, body[r.pos:]...), entry...)
}

// stepCode returns the code for the start of each loop:
//
//	if fuel--; fuel == 0 { random_get(refillAddr, 0) }
func stepCode(fuel, refill uint32) []byte {
	f := binary.AppendUvarint(nil, uint64(fuel))
	var code []byte
	code = append(append(code, opGlobalGet), f...)
	code = append(code, opI64Const, 1, opI64Sub)
	code = append(append(code, opGlobalSet), f...)
	code = append(append(code, opGlobalGet), f...)
	code = append(code, opI64Eqz, opIf, emptyBlock)
	code = append(code, opI32Const, 0x7f /* -1 */, opI32Const, 0)
	code = binary.AppendUvarint(append(code, opCall), uint64(refill))
	return append(code, opDrop, opEnd)
}

// meterCode inserts step at the start of every loop of a code section.
func meterCode(body, step []byte) ([]byte, error) {
	r := reader{buf: body}
	n := r.u32()
	out := binary.AppendUvarint(make([]byte, 0, len(body)+len(body)/4), uint64(n))
	var function []byte
	for i := range n {
		code := r.bytes(int(r.u32()))
		if r.err != nil {
			return nil, fmt.Errorf("code section: function %d: %w", i, r.err)
		}
		var err error
		if function, err = meterFunction(function[:0], code, step); err != nil {
			return nil, fmt.Errorf("code section: function %d: %w", i, err)
		}
		out = binary.AppendUvarint(out, uint64(len(function)))
		out = append(out, function...)
	}
	return out, nil
}

// meterFunction appends code to dst with step inserted after each loop opcode.
func meterFunction(dst, code, step []byte) ([]byte, error) {
	r := reader{buf: code}
	for range r.u32() { // locals: count, type
		r.u32()
		r.byte()
		if r.err != nil {
			return nil, r.err
		}
	}
	copied := 0
	for !r.empty() {
		op := r.byte()
		if err := skipImmediates(&r, op); err != nil {
			return nil, err
		}
		if op == opLoop {
			dst = append(append(dst, code[copied:r.pos]...), step...)
			copied = r.pos
		}
	}
	return append(dst, code[copied:]...), r.err
}

// skipImmediates moves r past the immediate operands of op.
func skipImmediates(r *reader, op byte) error {
	switch {
	case op >= 0x45 && op <= 0xc4, // arithmetic
		op == 0x00, op == 0x01, op == 0x05, op == opEnd, op == 0x0f, // unreachable nop else end return
		op == opDrop, op == 0x1b, op == 0xd1: // drop select ref.is_null
	case op >= 0x28 && op <= 0x3e, op == 0x11, op == 0x13: // load, store, call_indirect
		r.leb()
		r.leb()
	case op >= 0x02 && op <= 0x04, // block loop if
		op == 0x0c, op == 0x0d, op == opCall, op == 0x12, // br br_if call return_call
		op >= 0x20 && op <= 0x26, // local, global and table access
		op >= 0x3f && op <= 0x42, // memory.size memory.grow i32.const i64.const
		op == 0xd0, op == 0xd2:   // ref.null ref.func
		r.leb()
	case op == 0x0e, op == 0x1c: // br_table, select with types
		n := r.u32()
		if op == 0x0e {
			n++
		}
		for ; n > 0 && r.err == nil; n-- {
			r.leb()
		}
	case op == 0x43:
		r.bytes(4)
	case op == 0x44:
		r.bytes(8)
	case op == 0xfc:
		return skipBulkImmediates(r)
	default:
		return fmt.Errorf("unknown opcode %#02x at byte %d", op, r.pos-1)
	}
	return r.err
}

// skipBulkImmediates does the same for the saturating conversions and the bulk
// memory operations, which share the prefix 0xfc.
func skipBulkImmediates(r *reader) error {
	switch sub := r.u32(); {
	case sub <= 7: // saturating conversions
	case sub == 9, sub == 11, sub == 13, sub >= 15 && sub <= 17:
		r.leb()
	case sub == 8, sub == 10, sub == 12, sub == 14:
		r.leb()
		r.leb()
	default:
		return fmt.Errorf("unknown opcode 0xfc %d", sub)
	}
	return r.err
}
