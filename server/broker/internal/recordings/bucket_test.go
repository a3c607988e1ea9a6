package recordings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"stint/server/access"
)

// TestBuckets holds each kind of object store to the same.
func TestBuckets(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *Bucket{
		"files": func(t *testing.T) *Bucket { return openBucket(t, "file://"+t.TempDir()+"/objects", Lock{}) },
		"S3":    func(t *testing.T) *Bucket { return s3Bucket(t, "plain", Lock{}) },
		"S3 with a lock": func(t *testing.T) *Bucket {
			return s3Bucket(t, "locked", Lock{Mode: "governance", For: 4 * time.Second})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := open(t)
			t.Run("bytes", func(t *testing.T) { keepsBytes(t, bucket) })
			t.Run("keeping", func(t *testing.T) { keepsRecordings(t, bucket) })
		})
	}
}

func openBucket(t *testing.T, address string, lock Lock) *Bucket {
	t.Helper()
	bucket, err := OpenBucket(t.Context(), address, lock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

// keepsBytes: what is stored is what it was, whatever was there before.
func keepsBytes(t *testing.T, bucket *Bucket) {
	ctx := t.Context()
	if _, err := bucket.Open(ctx, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening nothing: %v", err)
	}
	if err := bucket.Delete(ctx, "none"); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	for _, size := range []int{0, 1, 100_000, 9 << 20} { // the last in several parts
		text := bytes.Repeat([]byte("recording\n"), size/10+1)[:size]
		for range 2 { // the second time after a crash
			digest, err := bucket.Store(ctx, "session", bytes.NewReader(text), time.Now())
			if err != nil || digest != sha256.Sum256(text) {
				t.Fatalf("storing %d bytes: %x, %v", size, digest, err)
			}
		}
		reader, err := bucket.Open(ctx, "session")
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(reader); err != nil || !bytes.Equal(whole, text) || reader.Size() != int64(size) {
			t.Errorf("of %d bytes %d come back, and %d are promised: %v", size, len(whole), reader.Size(), err)
		}
		if size > 20 {
			part := make([]byte, 7)
			if _, err := reader.Seek(int64(size-13), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(reader, part); err != nil || !bytes.Equal(part, text[size-13:][:7]) {
				t.Errorf("a part is %q, %v", part, err)
			}
		}
		_ = reader.Close()
	}
	within, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := bucket.Store(within, "other", strings.NewReader("x"), time.Now()); err == nil {
		t.Error("what was given up is stored")
	}
	if _, err := bucket.Store(ctx, "other", failing{}, time.Now()); err == nil {
		t.Error("what cannot be read is stored")
	}
	if _, err := bucket.Open(ctx, "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of a recording is there: %v", err)
	}
}

// failing reads well once, and then no more.
type failing struct{}

func (failing) Read([]byte) (int, error)       { return 0, errors.New("the disk is gone") }
func (failing) Seek(int64, int) (int64, error) { return 0, nil }

// ledger is a flow that remembers what it was told, and an archive of one session.
type ledger struct {
	access.Reader
	session access.Session
	seals   []access.Seal
	deleted bool
	delays  []time.Duration
}

func (l *ledger) Read(_ context.Context, fn func(access.Reader) error) error { return fn(l) }
func (l *ledger) SessionsByID([]string) ([]access.Session, error) {
	return []access.Session{l.session}, nil
}
func (l *ledger) Seals(string, int64, int) ([]access.Seal, error) { return l.seals, nil }

func (l *ledger) RecordingsToKeep(_ context.Context, retention time.Duration) (due access.ToKeep, err error) {
	only := []access.Session{l.session}
	switch {
	case l.deleted:
	case !l.session.Removed.IsZero():
		due.Undeleted = only
	case retention > 0:
		due.Outlived = only
	case l.session.Stored.IsZero():
		due.Unstored = only
	}
	return due, nil
}

func (l *ledger) StoreRecording(_ context.Context, _ string, digest [32]byte) error {
	l.session.Stored, l.session.Digest = time.Now(), digest
	return nil
}

func (l *ledger) RemoveRecording(context.Context, string, time.Duration) error {
	l.session.Removed = time.Now()
	return nil
}

func (l *ledger) DeletedRecording(context.Context, string) error { l.deleted = true; return nil }

func (l *ledger) DelayKeeping(_ context.Context, _ string, while time.Duration) error {
	l.delays = append(l.delays, while)
	return nil
}

// keepsRecordings follows a recording from the broker's disk to the store, and to its end.
func keepsRecordings(t *testing.T, bucket *Bucket) {
	ctx := t.Context()
	file, seals := recorded(t, "session-1")
	directory := t.TempDir()
	keeper, err := Open(directory, bucket)
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{seals: seals, session: access.Session{ID: "session-1", Request: "req-1", Ended: time.Unix(1e9, 0), Size: int64(len(file)), Bytes: int64(len(file)), Seals: int64(len(seals))}}
	now := time.Now()
	keeping := Keeping{Flow: l, Archive: l, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	pass := func() {
		t.Helper()
		if _, err := keeper.keepSome(ctx, keeping); err != nil {
			t.Fatal(err)
		}
		if err := keeper.tidy(ctx, keeping); err != nil {
			t.Fatal(err)
		}
	}
	local := func() bool { _, err := os.Stat(filepath.Join(directory, "session-1.stint")); return err == nil }
	whole := func(when string) {
		t.Helper()
		recording, err := keeper.Read(ctx, "session-1")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer recording.Close()
		if text, err := io.ReadAll(recording); err != nil || !bytes.Equal(text, file) {
			t.Errorf("%s the recording is %d bytes, %v", when, len(text), err)
		}
		verdict, err := keeper.Check(ctx, l.session, func() ([]access.Seal, error) { return l.seals, nil }, false)
		if err != nil || verdict.Chain != Verified {
			t.Errorf("%s it is %v, %v", when, verdict, err)
		}
	}

	// What does not agree with its seals stays, and nothing of it is in the store.
	altered := bytes.Clone(file)
	altered[len(altered)-1] ^= 1
	if _, err := keeper.Append("session-1", 0, altered); err != nil {
		t.Fatal(err)
	}
	pass()
	if !l.session.Stored.IsZero() || len(l.delays) != 1 || !local() {
		t.Fatalf("an altered recording is stored: %+v", l)
	}
	if _, err := bucket.Open(ctx, "session-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an altered recording is in the store: %v", err)
	}
	directory = t.TempDir()
	if keeper, err = Open(directory, bucket); err != nil { // as if it had never been
		t.Fatal(err)
	}

	// What is whole is stored; its file goes a while later, and nobody notices.
	if _, err := keeper.Append("session-1", 0, file); err != nil {
		t.Fatal(err)
	}
	pass()
	if l.session.Stored.IsZero() || l.session.Digest != sha256.Sum256(file) || !local() {
		t.Fatalf("the recording is not stored: %+v", l)
	}
	whole("stored,")
	now = now.Add(2 * lingering)
	pass()
	if local() {
		t.Error("the file of a stored recording stays")
	}
	whole("in the store alone,")
	if size, err := keeper.Size(l.session); err != nil || size != int64(len(file)) {
		t.Errorf("its size is %d, %v", size, err)
	}

	// Its time is over: no copy stays, however often that is begun; what is locked stays
	// until the lock ends.
	keeping.Retention = time.Hour
	pass()
	patience := time.Now().Add(30 * time.Second)
	pass()
	for bucket.lock.Mode != "" && !l.deleted && time.Now().Before(patience) {
		time.Sleep(100 * time.Millisecond)
		pass()
	}
	if bucket.lock.Mode != "" && len(l.delays) < 2 {
		t.Error("the lock was over at once")
	}
	if !l.deleted {
		t.Errorf("the recording is not deleted: %+v", l)
	}
	if _, err := keeper.Read(ctx, "session-1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what was removed: %v", err)
	}
	if bucket.client != nil {
		left, err := bucket.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket.name})
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range left.Versions {
			if strings.HasSuffix(*version.Key, "session-1.stint") {
				t.Errorf("a version of it stays: %s", *version.VersionId)
			}
		}
	}
}

// s3Bucket makes a bucket at a real S3 of this test's own.
func s3Bucket(t *testing.T, name string, lock Lock) *Bucket {
	t.Helper()
	address := startS3(t)
	bucket := openBucket(t, "s3://"+name+"?"+url.Values{
		"endpoint": {"http://" + address}, "region": {"us-east-1"}, "use_path_style": {"true"}, "prefix": {"recordings/"},
	}.Encode(), lock)
	locked := lock.Mode != ""
	patience := time.Now().Add(time.Minute)
	for {
		_, err := bucket.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket.name, ObjectLockEnabledForBucket: &locked})
		var owned *types.BucketAlreadyOwnedByYou
		if err == nil || errors.As(err, &owned) {
			return bucket
		}
		if time.Now().After(patience) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// startS3 runs testdata/s3 until the test is over.
func startS3(t *testing.T) (address string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	_ = listener.Close()
	server := serverOfS3(t, address, t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return address
}
