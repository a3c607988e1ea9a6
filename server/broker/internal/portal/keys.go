package portal

import (
	"context"
	"net/http"

	"stint/server/api"
)

func (p *Portal) registerKeys(r registrar) {
	operation(r, http.MethodPost, api.PathRotateKeys, "rotate-keys", "Replace keys of the signer's at once", p.rotateKeys)
}

func (p *Portal) rotateKeys(ctx context.Context, in *onlyBody[api.KeyRotation]) (*nothing, error) {
	return nil, p.config.Flow.RotateKeys(ctx, personOf(ctx), in.Body.Purpose, in.Body.Reason)
}
