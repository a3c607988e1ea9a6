package recordings

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"stint/recorder/cast"
)

// Lock is how long S3 keeps an object from being deleted by anybody ([Object Lock]).
//
// [Object Lock]: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
type Lock struct {
	Mode string // governance or compliance; empty for none
	For  time.Duration
}

// Bucket is an object store: one object a recording, under the name of its session. It
// is safe for concurrent use.
type Bucket struct {
	bucket    *blob.Bucket
	directory string     // of files; empty for S3
	client    *s3.Client // of S3; nil for files
	name      string     // of the bucket at S3,
	prefix    string     // and what keys begin with there
	lock      Lock
}

// CheckBucket says what is wrong with the URL of an object store.
func CheckBucket(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return fmt.Errorf("is no URL: %w", err)
	case u.Scheme == s3blob.Scheme && u.Host != "":
		return nil
	case u.Scheme == fileblob.Scheme && u.Host == "" && filepath.IsAbs(u.Path) && u.RawQuery == "":
		return nil
	}
	return errors.New("must be s3://BUCKET, or file:///DIRECTORY")
}

// OpenBucket opens the object store at a URL: file:///DIRECTORY, or s3://BUCKET with the
// options of gocloud.dev/blob/s3blob, and credentials as the AWS SDK finds them. It does
// not ask whether the store is there.
func OpenBucket(ctx context.Context, address string, lock Lock) (*Bucket, error) {
	if err := CheckBucket(address); err != nil {
		return nil, fmt.Errorf("the object store %w", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme == fileblob.Scheme {
		if lock.Mode != "" {
			return nil, errors.New("a directory locks no objects: only S3 does")
		}
		bucket, err := fileblob.OpenBucket(u.Path, &fileblob.Options{
			CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
		})
		if err != nil {
			return nil, fmt.Errorf("opening the object store: %w", err)
		}
		return &Bucket{bucket: bucket, directory: u.Path}, nil
	}
	bucket, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("opening the object store: %w", err)
	}
	b := &Bucket{bucket: bucket, name: u.Host, prefix: u.Query().Get("prefix"), lock: lock}
	if !bucket.As(&b.client) {
		return nil, errors.Join(errors.New("opening the object store: it has no client of S3"), bucket.Close())
	}
	return b, nil
}

// Close lets go of the store.
func (b *Bucket) Close() error { return b.bucket.Close() }

func objectOf(session string) string { return session + cast.Extension }

// Open opens a stored recording; fs.ErrNotExist where there is none. The caller closes it.
// It reads by ranges as long as ctx lasts.
func (b *Bucket) Open(ctx context.Context, session string) (Recording, error) {
	reader, err := b.bucket.NewReader(ctx, objectOf(session), nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, fmt.Errorf("the recording is not in the object store: %w", fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a recording in the object store: %w", err)
	}
	return reader, nil
}

// Store brings a recording to the store, unless it is there, reads it back whole, and
// returns its SHA-256 if that is the recording's own. Only then may other copies go. It
// may be repeated, after a crash or an error, as often as one likes.
func (b *Bucket) Store(ctx context.Context, session string, recording io.ReadSeeker, now time.Time) (digest [32]byte, err error) {
	// 1. What it is.
	own := sha256.New()
	size, err := io.Copy(own, recording)
	if err != nil {
		return digest, fmt.Errorf("reading a recording: %w", err)
	}
	own.Sum(digest[:0])

	// 2. It is there from an attempt before, or is brought there.
	there, err := b.digest(ctx, session, size)
	if err == nil && there == digest {
		return digest, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errOther) {
		return digest, err
	}
	if _, err := recording.Seek(0, io.SeekStart); err != nil {
		return digest, fmt.Errorf("reading a recording: %w", err)
	}
	if err := b.put(ctx, session, recording, now); err != nil {
		return digest, err
	}

	// 3. What is there is what it is.
	if there, err = b.digest(ctx, session, size); err != nil {
		return digest, err
	}
	if there != digest {
		return digest, errOther
	}
	return digest, nil
}

var errOther = errors.New("the object store gives other bytes than it was given")

// put uploads; the object is there whole or not at all.
func (b *Bucket) put(ctx context.Context, session string, recording io.Reader, now time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // what is not closed in time leaves nothing
	writer, err := b.bucket.NewWriter(ctx, objectOf(session), &blob.WriterOptions{
		ContentType: "application/octet-stream",
		BeforeWrite: func(as func(any) bool) error {
			var in *transfermanager.UploadObjectInput
			if b.lock.Mode != "" && as(&in) {
				in.ObjectLockMode = tmtypes.ObjectLockMode(strings.ToUpper(b.lock.Mode))
				in.ObjectLockRetainUntilDate = aws.Time(now.Add(b.lock.For))
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("storing a recording: %w", err)
	}
	if _, err := io.Copy(writer, recording); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("storing a recording: %w", err), writer.Close())
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("storing a recording: %w", err)
	}
	return nil
}

// digest reads an object whole and returns its SHA-256. A file is durable then.
func (b *Bucket) digest(ctx context.Context, session string, size int64) (digest [32]byte, err error) {
	var sync error
	reader, err := b.bucket.NewReader(ctx, objectOf(session), &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var file *os.File
		if as(&file) {
			sync = errors.Join(file.Sync(), syncDirectory(b.directory))
		}
		return nil
	}})
	if gcerrors.Code(err) == gcerrors.NotFound {
		return digest, fs.ErrNotExist
	}
	if err = errors.Join(err, sync); err != nil {
		return digest, fmt.Errorf("reading a recording back: %w", err)
	}
	defer reader.Close()
	if reader.Size() != size {
		return digest, errOther
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, reader); err != nil {
		return digest, fmt.Errorf("reading a recording back: %w", err)
	}
	hash.Sum(digest[:0])
	return digest, nil
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}

// Delete deletes a recording in all its versions. What a lock protects stays, and is an
// error. One that is not there is none.
func (b *Bucket) Delete(ctx context.Context, session string) error {
	if b.client != nil {
		return b.deleteVersions(ctx, b.prefix+objectOf(session))
	}
	if err := b.bucket.Delete(ctx, objectOf(session)); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("deleting a recording from the object store: %w", err)
	}
	return nil
}

// deleteVersions deletes what S3 keeps under a key: to delete the key alone only hides it
// in a bucket with versions.
func (b *Bucket) deleteVersions(ctx context.Context, key string) error {
	found, err := b.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &b.name, Prefix: &key})
	if err != nil {
		return fmt.Errorf("looking for a recording's versions in the object store: %w", err)
	}
	var ids []types.ObjectIdentifier
	for _, version := range found.Versions {
		if aws.ToString(version.Key) == key {
			ids = append(ids, types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
		}
	}
	for _, marker := range found.DeleteMarkers {
		if aws.ToString(marker.Key) == key {
			ids = append(ids, types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
		}
	}
	for _, id := range ids {
		if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: id.Key, VersionId: id.VersionId}); err != nil {
			return fmt.Errorf("deleting a recording from the object store: %w", err)
		}
	}
	return nil
}
