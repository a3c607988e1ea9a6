package cast

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// What recording costs the session: from Write to the return of write(2), on a real
// file, with its syncs.
func BenchmarkWrite(b *testing.B) {
	listing := bytes.Repeat([]byte("-rw-r--r-- 1 root root 10234 Mar  1 09:30 server.log\r\n"), 700)
	noise := make([]byte, 32<<10)
	random := rand.NewChaCha8([32]byte{})
	random.Read(noise)
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"1B", []byte("x")},
		{"256B", listing[:256]},
		{"4KiB/listing", listing[:4<<10]},
		{"32KiB/listing", listing[:32<<10]},
		{"32KiB/noise", noise},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "s"+Extension))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			rec, err := NewWriter(f, header(), recipients(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := rec.Write(1, Output(c.data)); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := rec.Close(End{Reason: Completed}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	var out bytes.Buffer
	rec, err := NewWriter(&out, header(), recipients(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for n := range 20000 {
		line := fmt.Appendf(nil, "-rw-r--r-- 1 root root %d Mar  1 09:30 server.log\r\n", n)
		if n%100 == 0 {
			line = bytes.Repeat(line, 200)
		}
		size += len(line)
		if err := rec.Write(1, Output(line)); err != nil {
			b.Fatal(err)
		}
	}
	if err := rec.Close(End{Reason: Completed}); err != nil {
		b.Fatal(err)
	}
	b.Run("Verify", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Verify(bytes.NewReader(out.Bytes()), nil, everything); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, export := range exporters {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := export(io.Discard, bytes.NewReader(out.Bytes()), everything, ExportOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
