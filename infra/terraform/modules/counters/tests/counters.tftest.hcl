mock_provider "google" {
  mock_resource "google_redis_instance" {
    defaults = {
      host            = "10.9.0.3"
      port            = 6378
      auth_string     = "made-up"
      server_ca_certs = [{ cert = "first", create_time = "", expire_time = "", serial_number = "", sha1_fingerprint = "" }, { cert = "second", create_time = "", expire_time = "", serial_number = "", sha1_fingerprint = "" }]
    }
  }
}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
  network    = "projects/tollgate-test/global/networks/tollgate"
}

run "as_it_comes" {
  command = apply

  # Redis wants a password and speaks tls.
  assert {
    condition     = google_redis_instance.this.auth_enabled && google_redis_instance.this.transit_encryption_mode == "SERVER_AUTHENTICATION"
    error_message = "anybody in the network reads what merchants are shown"
  }
  assert {
    condition     = google_secret_manager_secret_version.this["counters-url"].secret_data == "rediss://:made-up@10.9.0.3:6378"
    error_message = "COUNTERS_URL is another"
  }
  assert {
    condition     = google_secret_manager_secret_version.this["counters-ca"].secret_data == "first\nsecond" && output.certificates_secret == "tollgate-counters-ca"
    error_message = "a certificate that is valid is not trusted"
  }

  # Old payments make way and nothing is on a disk.
  assert {
    condition     = google_redis_instance.this.redis_configs["maxmemory-policy"] == "volatile-lru"
    error_message = "counters are refused when it is full"
  }
  assert {
    condition     = google_redis_instance.this.persistence_config[0].persistence_mode == "DISABLED"
    error_message = "what merchants are shown is on a disk"
  }
  assert {
    condition     = google_redis_instance.this.tier == "STANDARD_HA" && google_redis_instance.this.connect_mode == "PRIVATE_SERVICE_ACCESS"
    error_message = "no standby, or not in our network"
  }
}

run "without_tls_nothing_is_trusted" {
  command = apply
  variables {
    is_encrypted = false
  }
  assert {
    condition     = startswith(google_secret_manager_secret_version.this["counters-url"].secret_data, "redis://") && output.certificates_secret == null
    error_message = "TLS is half on"
  }
}
