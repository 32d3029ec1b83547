package doctext_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// oddWord is an expression over which readers stumble, and what to write instead.
type oddWord struct {
	odd     *regexp.Regexp
	instead string
}

// words are expressions that comments and documents do not use.
var words = []oddWord{
	{word(`mend(s|ed|ing)?`), "repair, restore"},
	{word(`for ever`), "forever"},
	{word(`bites?|bitten|biting`), "takes effect, hits"},
	{word(`anew`), "again, from scratch"},
	{word(`(its|the|from) begin`), "start, beginning"},
	{word(`somebody|everybody`), "who it is: a client, another program, every caller"},
	{word(`to blame`), "the cause, the culprit"},
	{word(`ma(k|d)es? known|made known`), "reports, says"},
	{word(`h(o|e)lds? (\w+ )?up|holding (\w+ )?up`), "blocks, delays"},
	{word(`all the same`), "anyway, nevertheless"},
	{word(`bec(o|a)mes? of`), "what happens to, the result of"},
	{word(`as often as not`), "half of the time"},
	{word(`for good`), "forever, permanently"},
	{word(`but for`), "except, except for"},
	{word(`lies? waste`), "is wasted"},
	{word(`in good order`), "cleanly"},
	{word(`at once`), "immediately, or at the same time: it may mean either (\"all at once\" is clear)"},
	{word(`in the open`), "publicly, visible"},
	{word(`by way of`), "through, with"},
	{word(`as a rule`), "usually"},
	{word(`to the full`), "completely"},
	{word(`anybody`), "anyone, or who it is"},
	{word(`metadata (are|do|have)`), "metadata is, does, has"},
	{word(`br(ing|ings|ought) (\w+ )?(no |any )?further`), "makes progress, brings something new"},
}

// unambiguous is what has an odd expression in it and only one meaning.
var unambiguous = word(`all at once`)

// word returns the expression for whole words, also across a line break.
func word(s string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(` + strings.ReplaceAll(s, " ", `\s+`) + `)\b`)
}

// unread are the directories that the test leaves out.
var unread = []string{".git", "testdata", "bin"}

func TestCommentsAndDocumentsAreInPlainWords(t *testing.T) {
	t.Parallel()
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			for _, dir := range unread {
				if d.Name() == dir {
					return fs.SkipDir
				}
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(name, ".md"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			oddWords(t, name, string(text))
		case strings.HasSuffix(name, ".go"):
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			files++
			for _, c := range f.Comments {
				oddWords(t, set.Position(c.Pos()).String(), c.Text())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	needed(t, "files", files, 400)
}

// oddWords reports the odd words in a text.
func oddWords(t *testing.T, where, text string) {
	t.Helper()
	for _, f := range findOdd(text) {
		t.Errorf("%s: %s", where, f)
	}
}

// findOdd returns a sentence for each odd expression of a text.
func findOdd(text string) (found []string) {
	text = unambiguous.ReplaceAllString(text, "")
	for _, w := range words {
		if odd := w.odd.FindString(text); odd != "" {
			found = append(found, fmt.Sprintf("%q: write %s", odd, w.instead))
		}
	}
	return found
}

func TestOddWordsAreFound(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"It mends the log.", "It stays for\never.", "until it has bitten", "It begins anew.", "from its begin",
		"Somebody writes.", "nobody is to blame", "makes the cause known, makes known", "it holds clients up",
		"a reader that was held up", "visible all the same", "gone for good", "what becomes of it", "as often as not",
		"it ends at\nonce", "metadata are old", "what brings it no further", "as a rule", "anybody",
		"all but for one", "what lies waste", "it closes in good order",
	} {
		if len(findOdd(text)) == 0 {
			t.Errorf("%q passes", text)
		}
	}
	for _, text := range []string{"a bit of memory", "recommended", "the beginning", "hold the lock", "it begins", "up to the end", "all\nat once"} {
		if found := findOdd(text); len(found) > 0 {
			t.Errorf("%q: found %v", text, found)
		}
	}
}
