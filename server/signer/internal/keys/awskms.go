//go:build awskms

package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

func init() { services["awskms"] = openAWS }

const (
	// awsWindow is for how many days a deletion can be taken back: the shortest that
	// AWS allows.
	awsWindow = 7
	// awsPoll is how often a new key is asked for that is not known everywhere yet.
	awsPoll = 200 * time.Millisecond
	// awsTidying is the time to delete a key that could not be named.
	awsTidying = 10 * time.Second
)

// awsKMS keeps keys in AWS KMS. A key is named by an alias that ends with its own
// id: an alias that points elsewhere names nothing.
type awsKMS struct {
	client           *kms.Client
	instance, ledger string
}

func openAWS(settings Settings) (store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), remoteDeadline)
	defer cancel()
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(settings.Service.Place))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of AWS's library: %w", err)
	}
	return newRemote("AWS KMS in "+settings.Service.Place, &awsKMS{client: kms.NewFromConfig(loaded), instance: settings.Instance, ledger: settings.ledger}), nil
}

// name is what keys of a purpose are called; an instance has no slash in its name.
func (a *awsKMS) name(purpose string) string {
	return "stint/" + a.instance + "/" + a.ledger + "/" + purpose
}

// prefix begins the aliases of a purpose.
func (a *awsKMS) prefix(purpose string) string { return "alias/" + a.name(purpose) + "/" }

func (a *awsKMS) make(ctx context.Context, purpose string) (remoteKey, error) {
	made, err := a.client.CreateKey(ctx, &kms.CreateKeyInput{
		KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify,
		Description: new(a.name(purpose)),
		Tags: []types.Tag{
			{TagKey: new("stint-instance"), TagValue: &a.instance},
			{TagKey: new("stint-purpose"), TagValue: &purpose},
		},
	})
	if err != nil {
		return remoteKey{}, err
	}
	id := aws.ToString(made.KeyMetadata.KeyId)
	// A kill before it is named leaves a key that list does not find: it signs nothing, and costs.
	key, err := a.named(ctx, id, a.prefix(purpose)+id)
	if err != nil {
		tidying, cancel := context.WithTimeout(context.WithoutCancel(ctx), awsTidying)
		defer cancel()
		return remoteKey{}, errors.Join(err, a.end(tidying, id))
	}
	return key, nil
}

// named gives a new key its name. What CreateKey returned may be unknown for a
// while: AWS KMS is eventually consistent.
func (a *awsKMS) named(ctx context.Context, id, alias string) (remoteKey, error) {
	for {
		key, err := a.key(ctx, id)
		if err == nil {
			_, err = a.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &id})
		}
		if awsCode(err) != "NotFoundException" {
			return key, err
		}
		select {
		case <-ctx.Done():
			return remoteKey{}, err
		case <-time.After(awsPoll):
		}
	}
}

func (a *awsKMS) key(ctx context.Context, id string) (remoteKey, error) {
	answer, err := a.client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &id})
	if err != nil {
		return remoteKey{}, err
	}
	public, err := parseP256(answer.PublicKey)
	if err != nil {
		return remoteKey{}, fmt.Errorf("the key %s: %w", id, err)
	}
	return remoteKey{id: id, public: public}, nil
}

func (a *awsKMS) list(ctx context.Context, purpose string) ([]remoteKey, error) {
	var found []remoteKey
	for pages := kms.NewListAliasesPaginator(a.client, &kms.ListAliasesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, alias := range page.Aliases {
			id, ours := strings.CutPrefix(aws.ToString(alias.AliasName), a.prefix(purpose))
			if !ours || id != aws.ToString(alias.TargetKeyId) {
				continue
			}
			key, err := a.key(ctx, id)
			// Disabled, or to be deleted: its alias goes with it.
			if code := awsCode(err); code == "DisabledException" || code == "KMSInvalidStateException" || code == "NotFoundException" {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = append(found, key)
		}
	}
	return found, nil
}

func (a *awsKMS) sign(ctx context.Context, id string, digest []byte) ([]byte, error) {
	answer, err := a.client.Sign(ctx, &kms.SignInput{
		KeyId: &id, Message: digest, MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, err
	}
	return answer.Signature, nil
}

func (a *awsKMS) end(ctx context.Context, id string) error {
	_, err := a.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: new(int32(awsWindow))})
	return err
}

func (a *awsKMS) refuses(err error) bool {
	switch awsCode(err) {
	case "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationTokenException":
		return true
	}
	return false
}

func (a *awsKMS) close() error { return nil }

// awsCode is the code of an error that the service returned; empty for any other.
func awsCode(err error) string {
	var answered smithy.APIError
	if errors.As(err, &answered) {
		return answered.ErrorCode()
	}
	return ""
}
