//go:build azurekms

package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
)

func init() { services["azurekms"] = openAzure }

// azureKMS keeps keys in a vault of Azure Key Vault, or in a Managed HSM: a key of
// the vault each.
type azureKMS struct {
	client           *azkeys.Client
	instance, ledger string
	random           io.Reader
}

func openAzure(settings Settings) (store, error) {
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("opening Azure Key Vault; look at the signer's credentials: %w", err)
	}
	return newAzure(settings, credential, nil)
}

func newAzure(settings Settings, credential azcore.TokenCredential, options *azkeys.ClientOptions) (*remote, error) {
	client, err := azkeys.NewClient(settings.Service.Place, credential, options)
	if err != nil {
		return nil, fmt.Errorf("opening Azure Key Vault: %w", err)
	}
	return newRemote("Azure Key Vault at "+settings.Service.Place, &azureKMS{client: client, instance: settings.Instance, ledger: settings.ledger, random: settings.Random}), nil
}

// azureRandom is what a key's name ends with. It holds no hyphen, so that no name of
// another installation, whose own name may have hyphens, is taken for one of this.
var azureRandom = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (a *azureKMS) prefix(purpose string) string {
	return "stint-" + a.instance + "-" + a.ledger + "-" + purpose + "-"
}

func (a *azureKMS) make(ctx context.Context, purpose string) (remoteKey, error) {
	random := make([]byte, 16)
	if _, err := io.ReadFull(a.random, random); err != nil {
		return remoteKey{}, err
	}
	made, err := a.client.CreateKey(ctx, a.prefix(purpose)+hex.EncodeToString(random), azkeys.CreateKeyParameters{
		Kty: new(azkeys.KeyTypeECHSM), Curve: new(azkeys.CurveNameP256),
		KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationSign), new(azkeys.KeyOperationVerify)},
		Tags:   map[string]*string{"stint-instance": &a.instance, "stint-purpose": &purpose},
	}, nil)
	if err != nil {
		return remoteKey{}, err
	}
	return azureKey(made.Key)
}

// azureKey reads a JSON web key (RFC 7518 section 6.2).
func azureKey(key *azkeys.JSONWebKey) (remoteKey, error) {
	const size = 32
	if key == nil || key.KID == nil || key.Crv == nil || *key.Crv != azkeys.CurveNameP256 || len(key.X) != size || len(key.Y) != size {
		return remoteKey{}, errors.New("the vault's key is not a P-256 key")
	}
	point := append(append([]byte{4}, key.X...), key.Y...) // SEC 1 section 2.3.3, uncompressed
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return remoteKey{}, fmt.Errorf("the vault's key: %w", err)
	}
	return remoteKey{id: key.KID.Name() + "/" + key.KID.Version(), public: public}, nil
}

func (a *azureKMS) list(ctx context.Context, purpose string) ([]remoteKey, error) {
	var found []remoteKey
	for pages := a.client.NewListKeyPropertiesPager(nil); pages.More(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Value {
			if one == nil || one.KID == nil || one.Attributes == nil || one.Attributes.Enabled == nil || !*one.Attributes.Enabled {
				continue
			}
			random, ours := strings.CutPrefix(one.KID.Name(), a.prefix(purpose))
			if !ours || !azureRandom.MatchString(random) {
				continue
			}
			answer, err := a.client.GetKey(ctx, one.KID.Name(), "", nil)
			if azureStatus(err) == http.StatusNotFound {
				continue // deleted since it was listed
			}
			if err != nil {
				return nil, err
			}
			key, err := azureKey(answer.Key)
			if err != nil {
				return nil, err
			}
			found = append(found, key)
		}
	}
	return found, nil
}

// sign returns in ASN.1 what the vault returns as two numbers (RFC 7518 section 3.4).
func (a *azureKMS) sign(ctx context.Context, id string, digest []byte) ([]byte, error) {
	name, version, _ := strings.Cut(id, "/")
	answer, err := a.client.Sign(ctx, name, version, azkeys.SignParameters{Algorithm: new(azkeys.SignatureAlgorithmES256), Value: digest}, nil)
	if err != nil {
		return nil, err
	}
	if len(answer.Result) != 64 {
		return nil, errors.New("the vault's signature is not an ES256 signature")
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(answer.Result[:32]), new(big.Int).SetBytes(answer.Result[32:])})
}

func (a *azureKMS) end(ctx context.Context, id string) error {
	name, _, _ := strings.Cut(id, "/")
	_, err := a.client.DeleteKey(ctx, name, nil)
	return err
}

func (a *azureKMS) refuses(err error) bool {
	code := azureStatus(err)
	var unknown *azidentity.AuthenticationFailedError
	return code == http.StatusForbidden || code == http.StatusUnauthorized || errors.As(err, &unknown)
}

func (a *azureKMS) close() error { return nil }

// azureStatus is the status of an answer that is an error; 0 for any other error.
func azureStatus(err error) int {
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return answered.StatusCode
	}
	return 0
}
