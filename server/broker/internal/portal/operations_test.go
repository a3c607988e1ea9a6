package portal

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write web/openapi.json")

const openAPIFile = "../../../../web/openapi.json"

// The portal's TypeScript types are generated from web/openapi.json, so it must
// be what the broker serves.
func TestOpenAPI(t *testing.T) {
	document, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(openAPIFile, document, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(openAPIFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stored, document) {
		t.Error("web/openapi.json is not what the broker serves; run: go test ./server/broker/internal/portal -run OpenAPI -update")
	}
}
