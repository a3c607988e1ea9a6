//go:build gcpkms

package keys

import (
	"context"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const gcpRing = "projects/p/locations/europe-west3/keyRings/stint"

// fakeGCP answers as Google Cloud KMS does, with two versions a page; a new version
// takes a moment.
type fakeGCP struct {
	kmspb.UnimplementedKeyManagementServiceServer
	*fakeKeys
	cryptoKeys map[string]bool
}

// intercept holds the lock during every call.
func (f *fakeGCP) intercept(ctx context.Context, ask any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	mode := f.enter(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if mode == denies || mode == hangs {
		return nil, status.Error(codes.PermissionDenied, "no")
	}
	return handle(ctx, ask)
}

func (f *fakeGCP) CreateCryptoKey(_ context.Context, ask *kmspb.CreateCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	template := ask.CryptoKey.VersionTemplate
	f.want("the key's kind", fmt.Sprintf("%v %v %v", ask.CryptoKey.Purpose, template.Algorithm, template.ProtectionLevel), "ASYMMETRIC_SIGN EC_SIGN_P256_SHA256 HSM")
	f.want("the window", ask.CryptoKey.DestroyScheduledDuration.AsDuration(), 24*time.Hour)
	f.want("the number of labels", len(ask.CryptoKey.Labels), 2)
	f.want("that it has no version", ask.SkipInitialVersionCreation, true)
	f.want("the key ring", ask.Parent, gcpRing)
	name := ask.Parent + "/cryptoKeys/" + ask.CryptoKeyId
	if f.cryptoKeys[name] {
		return nil, status.Error(codes.AlreadyExists, "it exists")
	}
	f.cryptoKeys[name] = true
	return &kmspb.CryptoKey{Name: name}, nil
}

func (f *fakeGCP) CreateCryptoKeyVersion(_ context.Context, ask *kmspb.CreateCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	if !f.cryptoKeys[ask.Parent] {
		return nil, status.Error(codes.NotFound, "no such key")
	}
	f.made++
	name := fmt.Sprintf("%s/cryptoKeyVersions/%04d", ask.Parent, f.made)
	return f.version(f.make(name, ask.Parent, 1)), nil
}

func (f *fakeGCP) version(key *fakeKey) *kmspb.CryptoKeyVersion {
	state := kmspb.CryptoKeyVersion_ENABLED
	switch {
	case key.ended:
		state = kmspb.CryptoKeyVersion_DESTROY_SCHEDULED
	case key.pending > 0:
		state = kmspb.CryptoKeyVersion_PENDING_GENERATION
	}
	return &kmspb.CryptoKeyVersion{Name: key.id, State: state}
}

func (f *fakeGCP) GetCryptoKeyVersion(_ context.Context, ask *kmspb.GetCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	key := f.keys[ask.Name]
	if key == nil {
		return nil, status.Error(codes.NotFound, "no such version")
	}
	key.pending = max(key.pending-1, 0)
	return f.version(key), nil
}

func (f *fakeGCP) ListCryptoKeyVersions(_ context.Context, ask *kmspb.ListCryptoKeyVersionsRequest) (*kmspb.ListCryptoKeyVersionsResponse, error) {
	if !f.cryptoKeys[ask.Parent] {
		return nil, status.Error(codes.NotFound, "no such key")
	}
	f.want("the filter", ask.Filter, "state=ENABLED")
	var all []*kmspb.CryptoKeyVersion
	for _, id := range slices.Sorted(maps.Keys(f.keys)) {
		if version := f.version(f.keys[id]); f.keys[id].name == ask.Parent && version.State == kmspb.CryptoKeyVersion_ENABLED {
			all = append(all, version)
		}
	}
	from, _ := strconv.Atoi(ask.PageToken)
	until := min(from+2, len(all))
	page := &kmspb.ListCryptoKeyVersionsResponse{CryptoKeyVersions: all[from:until]}
	if until < len(all) {
		page.NextPageToken = strconv.Itoa(until)
	}
	return page, nil
}

// ready is a version that can sign.
func (f *fakeGCP) ready(name string) (*fakeKey, error) {
	key := f.keys[name]
	if key == nil {
		return nil, status.Error(codes.NotFound, "no such version")
	}
	if f.version(key).State != kmspb.CryptoKeyVersion_ENABLED {
		return nil, status.Error(codes.FailedPrecondition, "it is not enabled")
	}
	return key, nil
}

func (f *fakeGCP) GetPublicKey(_ context.Context, ask *kmspb.GetPublicKeyRequest) (*kmspb.PublicKey, error) {
	key, err := f.ready(ask.Name)
	if err != nil {
		return nil, err
	}
	return &kmspb.PublicKey{Name: key.id, Pem: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key.public()}))}, nil
}

func (f *fakeGCP) AsymmetricSign(_ context.Context, ask *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	key, err := f.ready(ask.Name)
	if err != nil {
		return nil, err
	}
	f.want("the digest's length", len(ask.Digest.GetSha256()), 32)
	return &kmspb.AsymmetricSignResponse{Name: key.id, Signature: f.sign(key, ask.Digest.GetSha256())}, nil
}

func (f *fakeGCP) DestroyCryptoKeyVersion(_ context.Context, ask *kmspb.DestroyCryptoKeyVersionRequest) (*kmspb.CryptoKeyVersion, error) {
	key, err := f.ready(ask.Name)
	if err != nil {
		return nil, err
	}
	key.ended = true
	return f.version(key), nil
}

func TestKeysInGCP(t *testing.T) {
	t.Parallel()
	fake := &fakeGCP{fakeKeys: newFakeKeys(t), cryptoKeys: map[string]bool{}}
	fake.make(gcpRing+"/cryptoKeys/payments/cryptoKeyVersions/1", gcpRing+"/cryptoKeys/payments", 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(fake.intercept))
	kmspb.RegisterKeyManagementServiceServer(server, fake)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	testRemote(t, fake.fakeKeys, func(instance, ledger string) *remote {
		s := settings("")
		s.Instance, s.ledger, s.Service = instance, ledger, &Service{Name: "gcpkms", Place: gcpRing}
		opened, err := openGCP(s, option.WithEndpoint(listener.Addr().String()), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
		if err != nil {
			t.Fatal(err)
		}
		return opened
	})
	for name := range fake.cryptoKeys {
		if id := strings.TrimPrefix(name, gcpRing+"/cryptoKeys/"); len(id) > 63 || !strings.HasPrefix(id, "stint-"+instance) {
			t.Errorf("a key is named %s", name)
		}
	}
}
