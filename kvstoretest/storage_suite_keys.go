package kvstoretest

import (
	"context"
	"fmt"
	"strings"

	"github.com/kvsim/kvsim/kvstore"
)

// startsEmpty does not come first in the table: what the rule before it left
// behind shows when the factory hands out the same data again.
func startsEmpty(p *storageProbe) {
	p.wantContent()
	p.wantMissing("key0")
}

func getReturnsWhatWasSet(p *storageProbe) {
	var want []string
	for i, size := range []int{1, 15, 100, 4096, 70_000} {
		key, value := fmt.Sprint("key", i), strings.Repeat(string(rune('a'+i)), size)
		p.set(key, value)
		want = append(want, key, value)
	}
	p.wantContent(want...)
}

func getMissing(p *storageProbe) {
	p.wantMissing("a")
	p.set("b", "1")
	for _, key := range []string{"a", "b\x00", "bb", "c"} {
		p.wantMissing(key)
	}
}

func setOverwrites(p *storageProbe) {
	for _, value := range []string{"first", "a longer second", "3", "fours"} {
		p.set("k", value)
		p.wantContent("k", value)
	}
}

func emptyValue(p *storageProbe) {
	p.set("empty", "")
	p.must("Set(\"nil\", nil)", p.s.Set(context.Background(), []byte("nil"), nil))
	p.set("overwritten", "something")
	p.set("overwritten", "")
	p.wantContent("empty", "", "nil", "", "overwritten", "")
	p.wantMissing("never set")
}

func anyBytes(p *storageProbe) {
	keys := []string{
		"\x00", "\x00\x00", "\x00a", "a", "a\x00", "a\x00\x00", "a\x00b", "a/b", "A", "a b\n",
		"\x7f", "\x80", "\xc3\x28", "\xff", "\xff\x00", "\xff\xff", "käse", strings.Repeat("long", 1000),
	}
	for b := range 256 {
		keys = append(keys, "byte "+string([]byte{byte(b)}))
	}
	p.setAll(keys...)
	p.wantContent(within(keys, kvstore.KeyConstraint{}, 0)...)
}

func deleteRemoves(p *storageProbe) {
	p.setAll("a", "b", "c")
	p.delete("b")
	p.wantMissing("b")
	p.wantContent("a", valueOf("a"), "c", valueOf("c"))
	p.set("b", "again")
	p.wantContent("a", valueOf("a"), "b", "again", "c", valueOf("c"))
}

func deleteOnlyThatKey(p *storageProbe) {
	keys := []string{"a", "a\x00", "a\x00\x00", "a\xff", "aa", "ab", "b", "\x00", "\xff", "A"}
	p.setAll(keys...)
	for len(keys) > 0 {
		p.delete(keys[0])
		p.wantMissing(keys[0])
		keys = keys[1:]
		p.wantContent(within(keys, kvstore.KeyConstraint{}, 0)...)
	}
}

func deleteMissing(p *storageProbe) {
	p.delete("never there")
	p.setAll("a", "ab")
	for _, key := range []string{"a\x00", "aa", "b", "never there"} {
		p.delete(key)
	}
	p.wantContent("a", valueOf("a"), "ab", valueOf("ab"))
}

func repeatable(p *storageProbe) {
	for range 3 {
		p.set("a", "1")
		p.set("b", "2")
		p.delete("c")
	}
	p.wantContent("a", "1", "b", "2")
	for range 3 {
		p.delete("a")
	}
	p.wantContent("b", "2")
}

func argumentsStay(p *storageProbe) {
	ctx := context.Background()
	for range 2 { // the second round overwrites
		key, value := []byte("the key"), []byte("the value")
		p.must("Set", p.s.Set(ctx, key, value))
		if string(key) != "the key" || string(value) != "the value" {
			p.errorf("Set changed its arguments to %q, %q", key, value)
		}
	}
	key := []byte("the key")
	if _, err := p.s.Get(ctx, key); err != nil || string(key) != "the key" {
		p.errorf("Get = %v and its argument is %q, want \"the key\"", err, key)
	}
	p.must("Delete", p.s.Delete(ctx, key))
	if string(key) != "the key" {
		p.errorf("Delete changed its argument to %q", key)
	}
}

// returnedSlicesStay holds what reads returned and writes the keys again, with
// values of the same size, smaller and larger ones.
func returnedSlicesStay(p *storageProbe) {
	keys := []string{"a", "b", "c"}
	p.setAll(keys...)
	var held [][]byte
	var before []string
	hold := func(b []byte) {
		held = append(held, b)
		before = append(before, string(b))
	}
	for _, k := range keys {
		v, err := p.s.Get(context.Background(), []byte(k))
		p.must("Get", err)
		hold(v)
	}
	for kv, err := range p.s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		p.must("Range", err)
		hold(kv.Key)
		hold(kv.Value)
	}

	write := []func(){
		func() { p.setAll(keys[1:]...) },
		func() { p.set("a", strings.ToUpper(valueOf("a"))) },
		func() { p.set("a", "x") },
		func() { p.set("b", strings.Repeat("y", 200)) },
		func() { p.delete("c") },
		func() { p.set("c", strings.ToUpper(valueOf("c"))) },
		func() { p.delete("a"); p.set("d", strings.ToUpper(valueOf("d"))) },
	}
	if b, ok := p.s.(kvstore.BatchStorage); ok {
		write = append(write, func() {
			p.must("ApplyBatch", b.ApplyBatch(context.Background(), []kvstore.KeyValue{
				putItem("b", strings.ToLower(strings.Repeat("Z", 200))), removeItem("c"), putItem("a", strings.ToUpper(valueOf("a"))),
			}))
		})
	}
	for i, do := range write {
		do()
		for j, b := range held {
			if string(b) != before[j] {
				p.errorf("write %d changed a returned slice from %s to %s", i, quote(before[j]), quote(string(b)))
				before[j] = string(b)
			}
		}
	}
}

func getEnded(p *storageProbe) {
	p.set("k", "1")
	for _, ctx := range endedContexts() {
		for _, key := range []string{"k", "missing"} {
			_, err := p.s.Get(ctx, []byte(key))
			p.wantEnded(ctx, "Get("+quote(key)+")", err)
		}
	}
}

func setEnded(p *storageProbe) {
	p.set("k", "1")
	for _, ctx := range endedContexts() {
		p.wantEnded(ctx, "Set", p.s.Set(ctx, []byte("k"), []byte("2")))
		p.wantEnded(ctx, "Set", p.s.Set(ctx, []byte("new"), []byte("2")))
	}
	p.wantContent("k", "1")
}

func deleteEnded(p *storageProbe) {
	p.set("k", "1")
	for _, ctx := range endedContexts() {
		p.wantEnded(ctx, "Delete", p.s.Delete(ctx, []byte("k")))
	}
	p.wantContent("k", "1")
}
