variable "project_id" {
  description = "The project that the function runs in."
  type        = string
}

variable "region" {
  description = "The region that it runs in."
  type        = string
}

variable "name" {
  description = "The function's name, without the prefix that services and accounts have."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z-]{1,20}[a-z]$", var.name))
    error_message = "A function's name is lower case letters and dashes, 22 characters at most: an account's name has room for no more."
  }
}

variable "image" {
  description = "The image of the first revision. Later ones are Cloud Deploy's."
  type        = string
}

variable "is_public" {
  description = "Whether anybody may call it, through the load balancer. Else only `invokers` may, and only from inside of the project."
  type        = bool
  default     = false
}

variable "invokers" {
  description = "Who may call it where it is not public: a name for each (any), and the IAM member."
  type        = map(string)
  default     = {}
  validation {
    condition     = alltrue([for member in values(var.invokers) : can(regex("^serviceAccount:", member))])
    error_message = "An invoker is one service account: a group, a domain or allUsers would be able to start jobs that move money."
  }
}

variable "environment" {
  description = "Environment variables that are no secrets."
  type        = map(string)
  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("_KEY$|_SECRET$|PASSWORD|TOKEN", name))])
    error_message = "A secret comes from Secret Manager by reference: `secret_environment`."
  }
}

variable "secret_environment" {
  description = "Environment variables that are secrets: the name, and the id of the secret in Secret Manager. The latest version is read when an instance starts."
  type        = map(string)
  default     = {}
}

variable "trusted_certificates_secret" {
  description = "The secret that holds certificates (PEM) to trust beside those in the image, such as Memorystore's; null: none."
  type        = string
  default     = null
}

variable "publishes_to" {
  description = "The Pub/Sub topics that it publishes to: a name for each (any), and the topic's id."
  type        = map(string)
  default     = {}
}

variable "spanner_instance" {
  description = "The Spanner instance of its database."
  type        = string
}

variable "spanner_database" {
  description = "The database that it reads and writes."
  type        = string
}

variable "network" {
  description = "The network that it reaches private addresses by."
  type        = string
}

variable "subnetwork" {
  description = "The subnetwork that its instances have addresses in."
  type        = string
}

variable "network_tags" {
  description = "What the network's firewall knows it by."
  type        = list(string)
  default     = []
}

variable "min_instances" {
  description = "Instances that run always. From the capacity plan."
  type        = number
  default     = 1
  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= 50
    error_message = "min_instances is 0 to 50."
  }
}

variable "max_instances" {
  description = "Instances at most."
  type        = number
  default     = 50
  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 50 && var.max_instances >= var.min_instances
    error_message = "max_instances is 1 to 50, and not below min_instances."
  }
}

variable "concurrency" {
  description = "Requests that Cloud Run sends to an instance at once. Above what the function itself admits, or a refusal would wait in Cloud Run's line instead of being answered."
  type        = number
  default     = 1000
  validation {
    condition     = var.concurrency >= 1 && var.concurrency <= 1000
    error_message = "concurrency is 1 to 1000."
  }
}

variable "concurrency_utilization" {
  description = "The share of `concurrency` at which Cloud Run adds an instance. From the capacity plan."
  type        = number
  default     = 0.6
  validation {
    condition     = var.concurrency_utilization >= 0.1 && var.concurrency_utilization <= 0.95
    error_message = "Cloud Run takes 0.1 to 0.95."
  }
}

variable "cpu_utilization" {
  description = "The share of its CPU at which Cloud Run adds an instance. From the capacity plan."
  type        = number
  default     = 0.6
  validation {
    condition     = var.cpu_utilization >= 0.1 && var.cpu_utilization <= 0.95
    error_message = "Cloud Run takes 0.1 to 0.95."
  }
}

variable "timeout_seconds" {
  description = "How long a request may take as a whole."
  type        = number
  default     = 60
  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 3600
    error_message = "timeout_seconds is 1 to 3600."
  }
}

variable "cpu" {
  description = "CPUs of the function's own container."
  type        = string
  default     = "1"
  validation {
    condition     = contains(["1", "2", "4", "8"], var.cpu)
    error_message = "cpu is 1, 2, 4 or 8."
  }
}

variable "memory" {
  description = "Memory of the function's own container."
  type        = string
  default     = "512Mi"
}

variable "telemetry" {
  description = "The sidecars: their images, and the secrets that hold their configuration files."
  type = object({
    metrics_image           = string
    metrics_config_secret   = string
    collector_image         = string
    collector_config_secret = string
  })
}

variable "deployer" {
  description = "The IAM member that puts revisions here as this function's account (Cloud Deploy's); null: none."
  # An object, so that it is known to be there before its account is.
  type    = object({ member = string })
  default = null
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the service."
  type        = bool
  default     = true
}
