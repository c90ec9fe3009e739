"""What `headrace new` begins a use case with."""
