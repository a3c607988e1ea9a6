package portal

import (
	"context"
	"net/http"

	"stint/server/api"
)

func (p *Portal) registerKeys(r registrar) {
	operation(r, http.MethodPost, api.PathRotateKeys, "rotate-keys", "Replace keys of the signer's at once", p.rotateKeys)
}

func (p *Portal) rotateKeys(ctx context.Context, in *onlyBody[api.KeyRotation]) (*body[api.KeysRotated], error) {
	found, err := p.config.Flow.RotateKeys(ctx, personOf(ctx), in.Body.Purpose, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	rotated := api.KeysRotated{Reissued: found.Done, Failed: []api.FailedReissue{}, More: found.More}
	for _, failed := range found.Failed {
		rotated.Failed = append(rotated.Failed, api.FailedReissue(failed))
	}
	return &body[api.KeysRotated]{rotated}, nil
}
