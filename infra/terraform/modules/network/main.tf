resource "google_compute_network" "this" {
  project                 = var.project_id
  name                    = "tollgate"
  auto_create_subnetworks = false
  routing_mode            = "REGIONAL"
}

resource "google_compute_subnetwork" "functions" {
  project       = var.project_id
  name          = "tollgate-functions"
  region        = var.region
  network       = google_compute_network.this.id
  ip_cidr_range = var.functions_range
  # So that the verifier reaches the functions' own addresses from inside.
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_global_address" "services" {
  project       = var.project_id
  name          = "tollgate-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = var.services_range
  prefix_length = 24
  network       = google_compute_network.this.id
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}

# Webhooks go to addresses that merchants choose. The code refuses private ones; this makes sure of it, for whoever finds a way around.
resource "google_compute_firewall" "functions_reach_nothing_private" {
  project            = var.project_id
  name               = "tollgate-functions-deny"
  network            = google_compute_network.this.id
  direction          = "EGRESS"
  priority           = 65000
  destination_ranges = ["0.0.0.0/0"]
  target_tags        = [local.functions_tag]
  deny {
    protocol = "all"
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "functions_reach_redis" {
  project            = var.project_id
  name               = "tollgate-functions-redis"
  network            = google_compute_network.this.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = ["${var.services_range}/24"]
  target_tags        = [local.functions_tag]
  allow {
    protocol = "tcp"
    # With TLS, and without.
    ports = ["6378", "6379"]
  }
}

locals {
  functions_tag = "tollgate-functions"
}
