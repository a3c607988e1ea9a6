package tunnel

import (
	"bufio"
	"bytes"
	"net"
	"testing"
)

// FuzzHeader: what comes on a connection to the front is a client at an address, a sign of
// life, or refused; and what follows a header is left to SSH, byte for byte.
func FuzzHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		reader := bufio.NewReader(bytes.NewReader(data))
		client, err := readHeader(reader)
		if err != nil {
			if client != nil {
				t.Fatalf("%v was refused: %v", client, err)
			}
			return
		}
		if client != nil && client.(*net.TCPAddr).IP == nil {
			t.Fatal("a client without an address")
		}
		if len(data) < 16 || !bytes.HasPrefix(data, []byte("\r\n\r\n\x00\r\nQUIT\n")) {
			t.Fatalf("%q was taken for a header", data)
		}
		rest := data[16+int(data[14])<<8+int(data[15]):]
		left := make([]byte, len(data))
		n, _ := reader.Read(left)
		if !bytes.HasPrefix(rest, left[:n]) || n == 0 && len(rest) > 0 {
			t.Fatalf("behind the header is %q, and %q is left", rest, left[:n])
		}
	})
}
