package realkafka_test

import (
	"os"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

func TestMain(m *testing.M) { os.Exit(realkafka.Run(m)) }
