//go:build gcpkms

package keys

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func init() { services["gcpkms"] = func(settings Settings) (store, error) { return openGCP(settings) } }

const (
	// gcpWindow is for how long a destruction can be taken back: the shortest that
	// Google allows.
	gcpWindow = 24 * time.Hour
	// gcpPoll is how often a key that is being made is looked at.
	gcpPoll = 200 * time.Millisecond
)

// gcpKMS keeps keys in a key ring of Google Cloud KMS: one CryptoKey a purpose, of
// which every key is a version.
type gcpKMS struct {
	client           *kms.KeyManagementClient
	ring             string
	instance, ledger string
}

// openGCP opens the configured key ring; further options say where the service is.
func openGCP(settings Settings, options ...option.ClientOption) (*remote, error) {
	// The client refreshes its credentials under this context for as long as it lives.
	client, err := kms.NewKeyManagementClient(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("opening Google Cloud KMS; look at the signer's credentials: %w", err)
	}
	return newRemote("Google Cloud KMS with "+settings.Service.Place, &gcpKMS{client: client, ring: settings.Service.Place, instance: settings.Instance, ledger: settings.ledger}), nil
}

// id is the CryptoKey of a purpose. It ends with the ledger, which has no hyphen, and
// the purpose: two ledgers never share one.
func (g *gcpKMS) id(purpose string) string {
	return "stint-" + g.instance + "-" + g.ledger + "-" + purpose
}

func (g *gcpKMS) name(purpose string) string { return g.ring + "/cryptoKeys/" + g.id(purpose) }

func (g *gcpKMS) make(ctx context.Context, purpose string) (remoteKey, error) {
	// 1. A version of the purpose's CryptoKey, which the first one needs.
	ask := &kmspb.CreateCryptoKeyVersionRequest{Parent: g.name(purpose)}
	version, err := g.client.CreateCryptoKeyVersion(ctx, ask)
	if status.Code(err) == codes.NotFound {
		if err := g.begin(ctx, purpose); err != nil {
			return remoteKey{}, err
		}
		version, err = g.client.CreateCryptoKeyVersion(ctx, ask)
	}
	if err != nil {
		return remoteKey{}, err
	}
	// 2. The module takes its time.
	for version.State == kmspb.CryptoKeyVersion_PENDING_GENERATION {
		select {
		case <-ctx.Done():
			return remoteKey{}, ctx.Err()
		case <-time.After(gcpPoll):
		}
		if version, err = g.client.GetCryptoKeyVersion(ctx, &kmspb.GetCryptoKeyVersionRequest{Name: version.Name}); err != nil {
			return remoteKey{}, err
		}
	}
	if version.State != kmspb.CryptoKeyVersion_ENABLED {
		return remoteKey{}, fmt.Errorf("the new key %s is %s", version.Name, version.State)
	}
	// 3. Its public half.
	return g.key(ctx, version.Name)
}

// begin makes the CryptoKey of a purpose, without a version.
func (g *gcpKMS) begin(ctx context.Context, purpose string) error {
	_, err := g.client.CreateCryptoKey(ctx, &kmspb.CreateCryptoKeyRequest{
		Parent: g.ring, CryptoKeyId: g.id(purpose), SkipInitialVersionCreation: true,
		CryptoKey: &kmspb.CryptoKey{
			Purpose: kmspb.CryptoKey_ASYMMETRIC_SIGN,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{
				ProtectionLevel: kmspb.ProtectionLevel_HSM, Algorithm: kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256,
			},
			DestroyScheduledDuration: durationpb.New(gcpWindow),
			Labels:                   map[string]string{"stint-instance": g.instance, "stint-purpose": purpose},
		},
	})
	return err
}

func (g *gcpKMS) key(ctx context.Context, name string) (remoteKey, error) {
	answer, err := g.client.GetPublicKey(ctx, &kmspb.GetPublicKeyRequest{Name: name})
	if err != nil {
		return remoteKey{}, err
	}
	block, _ := pem.Decode([]byte(answer.Pem))
	if block == nil {
		return remoteKey{}, fmt.Errorf("the key %s: its public half is not in PEM", name)
	}
	public, err := parseP256(block.Bytes)
	if err != nil {
		return remoteKey{}, fmt.Errorf("the key %s: %w", name, err)
	}
	return remoteKey{id: name, public: public}, nil
}

func (g *gcpKMS) list(ctx context.Context, purpose string) ([]remoteKey, error) {
	var found []remoteKey
	versions := g.client.ListCryptoKeyVersions(ctx, &kmspb.ListCryptoKeyVersionsRequest{Parent: g.name(purpose), Filter: "state=ENABLED"})
	for {
		version, err := versions.Next()
		switch {
		case errors.Is(err, iterator.Done):
			return found, nil
		case status.Code(err) == codes.NotFound:
			return nil, nil // no key was made for the purpose
		case err != nil:
			return nil, err
		}
		key, err := g.key(ctx, version.Name)
		if err != nil {
			return nil, err
		}
		found = append(found, key)
	}
}

func (g *gcpKMS) sign(ctx context.Context, id string, digest []byte) ([]byte, error) {
	answer, err := g.client.AsymmetricSign(ctx, &kmspb.AsymmetricSignRequest{
		Name: id, Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest}},
	})
	if err != nil {
		return nil, err
	}
	return answer.Signature, nil
}

func (g *gcpKMS) end(ctx context.Context, id string) error {
	_, err := g.client.DestroyCryptoKeyVersion(ctx, &kmspb.DestroyCryptoKeyVersionRequest{Name: id})
	return err
}

func (g *gcpKMS) refuses(err error) bool {
	code := status.Code(err)
	return code == codes.PermissionDenied || code == codes.Unauthenticated
}

func (g *gcpKMS) close() error { return g.client.Close() }
