//! REST simulators of the clouds: as strict as the clouds themselves, over one engine.
