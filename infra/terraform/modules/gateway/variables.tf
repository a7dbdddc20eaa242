variable "project_id" {
  description = "The project that all of it runs in; one for each environment."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is a project's id: 6 to 30 lower case letters, digits and dashes."
  }
}

variable "region" {
  description = "The region that all of it runs in."
  type        = string
}

variable "host" {
  description = "The host name that merchants, payers and providers use."
  type        = string
}

variable "images" {
  description = "Where images are, and the tag of those that functions start with."
  type = object({
    registry = string
    tag      = string
  })
}

variable "deployer" {
  description = "The IAM member that puts releases here; null: nobody does."
  # An object, so that it is known to be there before its account is.
  type    = object({ member = string })
  default = null
}

variable "sizes" {
  description = "How many instances of each function there are, and how large. From the capacity plan (docs/capacity.md)."
  type = map(object({
    min_instances = number
    max_instances = optional(number, 50)
    cpu           = optional(string, "1")
    memory        = optional(string, "512Mi")
  }))
  validation {
    condition = toset(keys(var.sizes)) == toset([
      "payments", "provider-webhooks", "webhook-delivery", "settlement", "reconciliation",
    ])
    error_message = "sizes has each of payments, provider-webhooks, webhook-delivery, settlement and reconciliation."
  }
}

variable "admission_concurrency" {
  description = "Requests that an instance of a public function works on at a time (ADMISSION_CONCURRENCY). From the capacity plan."
  type        = number
  default     = 256
  validation {
    condition     = var.admission_concurrency >= 1 && var.admission_concurrency < 1000
    error_message = "admission_concurrency is below 1000, what Cloud Run sends to an instance: what is above it is refused by us, at once."
  }
}

variable "database" {
  description = "Spanner's size and how it is kept. From the capacity plan."
  type = object({
    # Another one after a restore: see docs/runbooks/restore.md.
    name                         = optional(string, "tollgate")
    min_processing_units         = number
    max_processing_units         = number
    point_in_time_recovery_hours = optional(number, 168)
    backup_retention_days        = optional(number, 30)
    is_protected                 = optional(bool, true)
  })
}

variable "counters" {
  description = "Redis's size. From the capacity plan."
  type = object({
    memory_gb    = optional(number, 1)
    has_standby  = optional(bool, true)
    is_encrypted = optional(bool, true)
  })
  default = {}
}

variable "stripe" {
  description = "Whether Stripe is on. Its keys are secrets."
  type        = bool
  default     = true
}

variable "paypal" {
  description = "Whether PayPal is on, and where it is (PAYPAL_API_URL). Its credentials are secrets; null: off."
  type = object({
    api_url = string
  })
  default = null
}

variable "bank" {
  description = "What BANK_... are that are no secrets; null: the bank is off."
  type = object({
    api_url          = string
    signing_key_id   = string
    creditor_account = string
    creditor_name    = string
    settings         = optional(map(string), {})
  })
  default = null
  validation {
    condition     = var.bank == null ? true : alltrue([for name in keys(var.bank.settings) : startswith(name, "BANK_")])
    error_message = "settings are further variables of the bank's: BANK_..."
  }
}

variable "settings" {
  description = "Further environment variables of all functions, as README's table has them, such as MERCHANT_REQUESTS_PER_MINUTE."
  type        = map(string)
  default     = {}
}

variable "verifier_expects" {
  description = "What becomes of the verifier's payment, made with a provider's test token: authorized where functions have test keys, failed where they have live ones."
  type        = string
  default     = "authorized"
  validation {
    condition     = contains(["authorized", "failed"], var.verifier_expects)
    error_message = "verifier_expects is authorized or failed."
  }
}

variable "has_settlement_shards" {
  description = "Whether settlements are split into shards, which Pub/Sub pushes to the function settlement. Off: one run settles everything. Not to be switched on while a version runs that does not know shards."
  type        = bool
  default     = true
}

variable "requests_per_minute_per_address" {
  description = "What one address may ask the load balancer for."
  type        = number
  default     = 60000
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete functions."
  type        = bool
  default     = true
}
