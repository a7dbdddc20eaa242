mock_provider "google" {}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
}

run "as_it_comes" {
  command = apply

  # Functions reach redis and nothing else that is private.
  assert {
    condition     = google_compute_firewall.functions_reach_nothing_private.direction == "EGRESS" && length(google_compute_firewall.functions_reach_nothing_private.deny) == 1 && google_compute_firewall.functions_reach_nothing_private.target_tags == toset([output.functions_tag])
    error_message = "a merchant's webhook could reach a private address"
  }
  assert {
    condition     = google_compute_firewall.functions_reach_redis.priority < google_compute_firewall.functions_reach_nothing_private.priority && google_compute_firewall.functions_reach_redis.destination_ranges == toset(["10.9.0.0/24"])
    error_message = "Redis is out of reach, or more than Redis is in reach"
  }

  # There is no subnetwork by default.
  assert {
    condition     = google_compute_network.this.auto_create_subnetworks == false && google_compute_subnetwork.functions.private_ip_google_access
    error_message = "subnetworks everywhere"
  }
}

run "too_few_addresses_are_refused" {
  command = plan
  variables {
    functions_range = "10.8.0.0/24"
  }
  expect_failures = [var.functions_range]
}
