package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"stint/cmd/stint-dev/internal/supervisor"
	"stint/cmd/stint-dev/internal/target"
)

// startTargets starts what keeps the targets' trust in step with the signer, as on
// any host, and then the targets.
func (w *world) startTargets(ctx context.Context) error {
	trust := target.Trust{CA: filepath.Join(w.targetBase, "target_ca.pub"), KRL: filepath.Join(w.targetBase, "revoked.krl")}
	arguments := []string{
		"trust", "sync", "--broker", w.installation.PortalURL(), "--write-ca", trust.CA, "--write-krl", trust.KRL,
		"--every", "5s", "--log-key", w.trust.Trust.Log,
	}
	for _, key := range w.trust.Trust.TargetCA {
		arguments = append(arguments, "--target-ca", key)
	}
	if err := w.supervisor.Start(ctx, supervisor.Child{
		Name: "trust", Path: filepath.Join(w.config.Bin, "stint"), Args: arguments, Dir: w.targetBase,
		Healthy: func(context.Context, int) error {
			_, caErr := os.Stat(trust.CA)
			_, krlErr := os.Stat(trust.KRL)
			return errors.Join(caErr, krlErr)
		},
	}); err != nil {
		return err
	}
	for _, one := range w.targets {
		w.onClose(one.Close)
		if err := one.Start(ctx, w.supervisor, trust, w.log); err != nil {
			return err
		}
	}
	return nil
}
