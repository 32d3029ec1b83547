package kvstoretest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// Whatever verb prints a kit or one of its options, it shows no password.
func TestPasswordsOfAKitAreNotPrinted(t *testing.T) {
	const marker = "Marker-7f3a"
	users := kvstoretest.WithUsers(map[string]string{"ann": marker})
	kit := kvstoretest.New(t, users)
	kit.Allow("ann")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb+" "+verb, kit, users); strings.Contains(text, marker) || strings.Contains(text, fmt.Sprintf("%x", marker)) {
			t.Errorf("%s shows the password", verb)
		}
	}
}
