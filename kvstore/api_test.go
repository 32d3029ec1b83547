package kvstore_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/kvsim/kvsim/kvstore"
)

// The reference API of the store, symbol by symbol with its exact type. It
// compiles or it is broken: what stands here may never change. The shorthands
// keep the table readable.
type (
	ctxT   = context.Context
	keyT   = []byte
	pairs  = iter.Seq2[kvstore.KeyValue, error]
	typed  = iter.Seq2[kvstore.TypedKV[city], error]
	cityRC = kvstore.ResourceClient[city]
	text   = wrapperspb.StringValue
)

var (
	// Errors.
	_ error = kvstore.ErrClientClosed
	_ error = kvstore.ErrNotFound

	// The client.
	_ func(ctxT, string, kvstore.Storage, ...kvstore.ClientOption) (*kvstore.Client, error)                         = kvstore.NewClient
	_ func(*kvstore.Client) *kvstore.Batch                                                                          = (*kvstore.Client).Batch
	_ func(*kvstore.Client) error                                                                                   = (*kvstore.Client).Close
	_ func(*kvstore.Client, ctxT, keyT) error                                                                       = (*kvstore.Client).Delete
	_ func(*kvstore.Client, ctxT, keyT) ([]byte, error)                                                             = (*kvstore.Client).Get
	_ func(*kvstore.Client, ctxT, keyT, []byte) error                                                               = (*kvstore.Client).Put
	_ func(*kvstore.Client, ctxT, kvstore.KeyConstraint, kvstore.QueryOptions) pairs                                = (*kvstore.Client).Range
	_ func(...string) kvstore.ClientOption                                                                          = kvstore.WithBrokers
	_ func(...kgo.Opt) kvstore.ClientOption                                                                         = kvstore.WithKafkaOptions
	_ func(*slog.Logger) kvstore.ClientOption                                                                       = kvstore.WithLogger
	_ func(func([]byte)) kvstore.ClientOption                                                                       = kvstore.WithOnDeleteHook
	_ func(func(key, value []byte)) kvstore.ClientOption                                                            = kvstore.WithOnSetHook
	_ func(int16) kvstore.ClientOption                                                                              = kvstore.WithReplicationFactor
	_ func(*kvstore.Batch, keyT, []byte) *kvstore.Batch                                                             = (*kvstore.Batch).Put
	_ func(*kvstore.Batch, keyT) *kvstore.Batch                                                                     = (*kvstore.Batch).Delete
	_ func(*kvstore.Batch, ctxT) error                                                                              = (*kvstore.Batch).Execute
	_ func(string) kvstore.KeyConstraint                                                                            = kvstore.Prefix
	_ func(kvstore.Serde[city], func([]byte, city)) func(key, value []byte)                                         = kvstore.WrapOnSet[city]
	_ func(func([]byte)) func([]byte)                                                                               = kvstore.WrapOnDelete[city]
	_ func(*kvstore.Client, kvstore.Serde[city]) *cityRC                                                            = kvstore.NewResourceClient[city]
	_ func(*cityRC) *kvstore.TypedBatch[city]                                                                       = (*cityRC).Batch
	_ func(*cityRC, ctxT, keyT) error                                                                               = (*cityRC).Delete
	_ func(*cityRC, ctxT, keyT) (city, error)                                                                       = (*cityRC).Get
	_ func(*cityRC, ctxT, keyT, city) error                                                                         = (*cityRC).Put
	_ func(*cityRC, ctxT, kvstore.KeyConstraint, kvstore.QueryOptions) typed                                        = (*cityRC).Range
	_ func(*cityRC) *kvstore.Client                                                                                 = (*cityRC).Raw
	_ func(*kvstore.TypedBatch[city], keyT) *kvstore.TypedBatch[city]                                               = (*kvstore.TypedBatch[city]).Delete
	_ func(*kvstore.TypedBatch[city], ctxT) error                                                                   = (*kvstore.TypedBatch[city]).Execute
	_ func(*kvstore.TypedBatch[city], keyT, city) *kvstore.TypedBatch[city]                                         = (*kvstore.TypedBatch[city]).Put
	_ func() kvstore.Serde[city]                                                                                    = kvstore.JSON[city]
	_ func(*kvstore.JSONSerde[city], []byte) (city, error)                                                          = (*kvstore.JSONSerde[city]).Deserialize
	_ func(*kvstore.JSONSerde[city], city) ([]byte, error)                                                          = (*kvstore.JSONSerde[city]).Serialize
	_ func(func() *text, ...kvstore.ProtoOption) (kvstore.Serde[*text], error)                                      = kvstore.Proto[*text]
	_ func(*kvstore.ProtoSerde[*text], []byte) (*text, error)                                                       = (*kvstore.ProtoSerde[*text]).Deserialize
	_ func(*kvstore.ProtoSerde[*text], *text) ([]byte, error)                                                       = (*kvstore.ProtoSerde[*text]).Serialize
	_ func(*sr.Client, string, string, ...kvstore.SchemaRegistryOption) kvstore.ProtoOption                         = kvstore.WithSchemaRegistry
	_ func(string) kvstore.SchemaRegistryOption                                                                     = kvstore.WithMessageName
	_ func([]sr.SchemaReference) kvstore.SchemaRegistryOption                                                       = kvstore.WithSchemaReferences
	_ func(*sr.Client, string, string, func() *text, ...kvstore.SchemaRegistryOption) (kvstore.Serde[*text], error) = kvstore.NewSchemaRegistrySerde[*text]

	// Struct types: these conversions compile only for identical fields.
	_ = struct{ Key, Value []byte }(kvstore.KeyValue{})
	_ = struct{ Start, End []byte }(kvstore.KeyConstraint{})
	_ = struct{ Limit int }(kvstore.QueryOptions{})
	_ = struct {
		Key   []byte
		Value city
	}(kvstore.TypedKV[city]{})
	_ = struct{}(kvstore.JSONSerde[city]{})

	// Interface types, both ways, so that neither has a method more.
	_ interface {
		Serialize(v city) ([]byte, error)
		Deserialize(b []byte) (city, error)
	} = kvstore.Serde[city](nil)
	_ kvstore.Serde[city] = interface {
		Serialize(v city) ([]byte, error)
		Deserialize(b []byte) (city, error)
	}(nil)
	_ storageMethods       = kvstore.Storage(nil)
	_ kvstore.Storage      = storageMethods(nil)
	_ batchStorageMethods  = kvstore.BatchStorage(nil)
	_ kvstore.BatchStorage = batchStorageMethods(nil)
)

type storageMethods interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
	Set(ctx context.Context, key []byte, value []byte) error
	Delete(ctx context.Context, key []byte) error
	Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error]
}

type batchStorageMethods interface {
	storageMethods
	ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error
}

func TestReferenceErrorTexts(t *testing.T) {
	for want, err := range map[string]error{"client is closed": kvstore.ErrClientClosed, "key not found": kvstore.ErrNotFound} {
		if err.Error() != want {
			t.Errorf("error = %q, want %q", err, want)
		}
	}
}

// referenceSymbols are the package-level names and methods of the reference.
var referenceSymbols = strings.Fields(`
	ErrClientClosed ErrNotFound WrapOnDelete WrapOnSet Batch Batch.Delete
	Batch.Execute Batch.Put BatchStorage Client NewClient Client.Batch
	Client.Close Client.Delete Client.Get Client.Put Client.Range ClientOption
	WithBrokers WithKafkaOptions WithLogger WithOnDeleteHook WithOnSetHook
	WithReplicationFactor JSONSerde JSON KeyConstraint Prefix KeyValue
	ProtoOption WithSchemaRegistry ProtoSerde QueryOptions ResourceClient
	NewResourceClient ResourceClient.Batch ResourceClient.Delete
	ResourceClient.Get ResourceClient.Put ResourceClient.Range
	ResourceClient.Raw SchemaRegistryOption WithMessageName
	WithSchemaReferences Serde NewSchemaRegistrySerde Proto Storage TypedBatch
	TypedBatch.Delete TypedBatch.Execute TypedBatch.Put TypedKV`)

const referencePath = "reference.example/kvstore"

// TestProgramForTheReferenceCompiles replaces the import path of a program
// that was written for the reference, and nothing else.
func TestProgramForTheReferenceCompiles(t *testing.T) {
	if runtime.GOOS == "wasip1" || runtime.GOOS == "js" {
		t.Skipf("%s cannot run the go command", runtime.GOOS)
	}
	source, err := os.ReadFile("testdata/reference/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if missing := unusedIn(t, source); len(missing) > 0 {
		t.Errorf("the program does not use %s", strings.Join(missing, ", "))
	}
	ours := strings.Replace(string(source), referencePath, "github.com/kvsim/kvsim/kvstore", 1)
	if out, err := vet(t, ours); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
	// The check is able to fail.
	broken := strings.Replace(ours, "client.Get(ctx, []byte", "client.Get(ctx, string", 1)
	if out, err := vet(t, broken); err == nil || !strings.Contains(out, "cannot use string") {
		t.Errorf("go vet of a program with a wrong argument = %v\n%s\nwant it to fail for that", err, out)
	}
}

// vet type-checks a program as a package within this module.
func vet(t *testing.T, source string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no go command")
	}
	return string(out), err
}

// unusedIn returns the reference symbols whose names the program does not
// mention. Methods count by their bare name.
func unusedIn(t *testing.T, source []byte) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			used[sel.Sel.Name] = true
		}
		return true
	})
	var missing []string
	for _, symbol := range referenceSymbols {
		if !used[symbol[strings.LastIndexByte(symbol, '.')+1:]] {
			missing = append(missing, symbol)
		}
	}
	return missing
}
