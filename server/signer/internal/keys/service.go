package keys

import "fmt"

// Service is a cloud's key management service that keeps every key but the log's.
// Credentials come from the default chain of the cloud's own library and nowhere else.
type Service struct {
	Name string // awskms, gcpkms or azurekms; also the build tag it needs
	// Place is, for awskms, a region; for gcpkms, a key ring
	// (projects/P/locations/L/keyRings/R); for azurekms, the address of a vault.
	Place string
}

// services are those that this build has, by name.
var services = map[string]func(Settings) (store, error){}

func openService(settings Settings) (store, error) {
	open := services[settings.Service.Name]
	if open == nil {
		return nil, fmt.Errorf("this build knows no key service %s; build the signer with -tags %s", settings.Service.Name, settings.Service.Name)
	}
	return open(settings)
}
