package evidence

// ChangesBeliefs tells the entries that change what the signer believes: those that
// Beliefs.Check and Beliefs.Apply are for, and that later entries name as Believed.
func (e Entry) ChangesBeliefs() bool {
	return e.Enrolment != nil || e.Removal != nil || e.Suspension != nil || e.Change != nil || e.Policy != nil || e.Inventory != nil || e.Keys != nil ||
		e.Device != nil || e.DeviceBlock != nil
}
