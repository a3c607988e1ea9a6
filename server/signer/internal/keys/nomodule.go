//go:build !pkcs11

package keys

import "errors"

func openModule(Settings) (store, error) {
	return nil, errors.New("this build keeps keys in files only; build with -tags pkcs11 (and cgo) for keys in a PKCS#11 module")
}
